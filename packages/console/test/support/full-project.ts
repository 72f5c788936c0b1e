import { expect } from 'vitest';

import type { TestServer } from '../../../../server/test/support/server.ts';
import { joinAs } from '../../../../server/test/support/sign-in.ts';
import { HOSTILE } from './console-tests.ts';
import { SHOWN } from './screens.ts';

const FLAGS = 60;
const LONG = 'x'.repeat(100);
const RIGHT_TO_LEFT = 'علامة جديدة للدفع السريع';
const NAMES = [HOSTILE, 'y'.repeat(200), RIGHT_TO_LEFT, 'New checkout'];
const ENVIRONMENTS = ['development', 'qa', 'staging', SHOWN.environment];
const AT = '2026-01-01T00:00:00.000Z';

export const ADMIN = 'admin@example.com';

const flag = (index: number) => {
  const key = index === 0 ? LONG : `flag-${String(index).padStart(2, '0')}`;
  return {
    key,
    seed: key,
    name: NAMES[index % NAMES.length],
    description: HOSTILE,
    type: 'boolean',
    enabled: index % 2 === 0,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    rules: [
      {
        id: 'half',
        conditions: [],
        split: [
          { variant: 'on', weight: 1 },
          { variant: 'off', weight: 1 },
        ],
      },
      {
        id: 'staff',
        conditions: [{ attribute: 'plan', operator: 'in', value: [HOSTILE, RIGHT_TO_LEFT] }],
        variant: 'on',
      },
    ],
    tags: ['checkout', HOSTILE],
    owner: index % 3 === 0 ? 'z'.repeat(100) : 'Ada Lovelace',
    metadata: {},
    clientVisible: false,
    version: 1,
    createdAt: AT,
    updatedAt: AT,
  };
};

type FullProject = {
  /** The address of the page of an invitation. */
  readonly joinPath: string;
};

/** Fills a server with something for each screen to show, of which much is long, hostile or from right to left. */
export const createFullProject = async (server: TestServer): Promise<FullProject> => {
  const post = async (path: string, data: object): Promise<unknown> => {
    const { status, text, body } = await server.request('POST', `/api/v1/${path}`, { body: data });
    expect([status, text]).toEqual([expect.toBeOneOf([200, 201]), text]);
    return body;
  };
  const flags = Array.from({ length: FLAGS }, (_, index) => flag(index));
  await post('import?overwrite=true', {
    formatVersion: 1,
    environments: ENVIRONMENTS.map((key, index) => ({
      key,
      createdAt: AT,
      // Each environment lacks some, so that there is something to compare.
      flags: flags.filter((_, number) => number % 7 !== index + 2),
      segments: [],
    })),
  });
  const here = `?environment=${SHOWN.environment}`;
  const conditions = [{ attribute: 'email', operator: 'endsWith', value: HOSTILE }];
  await post(`segments${here}`, { key: SHOWN.segment, name: HOSTILE, conditions });
  await post(`metrics${here}`, {
    key: 'bought',
    name: HOSTILE,
    kind: 'conversion',
    event: 'bought',
    window: { toMs: 86_400_000 },
  });
  const experiment = {
    hypothesis: HOSTILE,
    rule: 'half',
    control: 'off',
    metrics: [{ metric: 'bought', role: 'primary', minimumEffect: 0.03 }],
  };
  await post(`experiments${here}`, { key: SHOWN.experiment, flag: SHOWN.flag, ...experiment });
  await post(`experiments${here}`, { key: SHOWN.running, flag: 'flag-04', ...experiment });
  await post(`experiments/${SHOWN.running}/start${here}`, {});
  await post(`ramps${here}`, {
    key: SHOWN.ramp,
    description: HOSTILE,
    flag: SHOWN.flag,
    rule: 'staff',
    control: 'off',
    treatment: 'on',
    steps: [
      { share: 1, holdMinutes: 60 },
      { share: 50, holdMinutes: 1_440, approval: true },
    ],
    guardrails: [{ metric: 'bought' }],
  });
  await server.api('PATCH', `/flags/${SHOWN.flag}`, { body: { owner: RIGHT_TO_LEFT } });
  await server.api('PUT', '/contexts/grace', {
    body: { name: RIGHT_TO_LEFT, context: { targetingKey: HOSTILE } },
  });
  await post('groups', { key: 'team', name: HOSTILE });
  await post('keys', { name: HOSTILE, role: 'viewer', environment: '*' });
  const grants = [{ environment: '*', role: 'admin' }];
  const invitation = await post('invitations', { email: 'grace@example.com', grants });
  await joinAs(server, [{ environment: '*', role: 'admin' }], ADMIN);
  return { joinPath: Object(invitation).path };
};
