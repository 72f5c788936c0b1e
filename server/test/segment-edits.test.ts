import { setImmediate } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { startServer } from './support/server.ts';

const FLAGS = 400;

const CREATED_AT = '2026-01-01T00:00:00.000Z';
const times = { version: 1, createdAt: CREATED_AT, updatedAt: CREATED_AT };
const conditionsOf = (value: string) => [{ attribute: 'plan', operator: 'equals', value }];

const flagOf = (key: string) => ({
  key,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  clientVisible: false,
  rules: [{ id: 'rule', conditions: [{ segment: 'beta' }], variant: 'on' }],
  seed: key,
  metadata: {},
  ...times,
});

it('other work continues while an edit of a segment checks all flags that use it', async () => {
  await using server = await startServer();
  const flags = Array.from({ length: FLAGS }, (_, index) => flagOf(`flag-${index}`));
  const segments = [{ key: 'beta', conditions: conditionsOf('pro'), ...times }];
  const environments = [{ key: 'production', createdAt: CREATED_AT, flags, segments }];
  const imported = await server.request('POST', '/api/v1/import?overwrite=true', {
    body: { formatVersion: 1, environments },
  });
  expect(imported.status).toBe(200);

  const turnsOf = async (path: string, body: object): Promise<number> => {
    let turns = 0;
    const done = new AbortController();
    const edit = server.api('PATCH', path, { body }).finally(() => done.abort());
    while (!done.signal.aborted) {
      await setImmediate();
      turns += 1;
    }
    expect((await edit).status).toBe(200);
    return turns;
  };
  const turnsOfFlag = await turnsOf('/flags/flag-0', { description: 'edited' });
  const turnsOfSegment = await turnsOf('/segments/beta', { conditions: conditionsOf('free') });
  expect(turnsOfSegment - turnsOfFlag).toBeGreaterThan(FLAGS / 40);
  const evaluated = await server.api('POST', '/evaluate', {
    body: { flagKey: 'flag-7', context: { plan: 'free' } },
  });
  expect(evaluated.body).toMatchObject({ value: true, reason: 'TARGETING_MATCH' });
});
