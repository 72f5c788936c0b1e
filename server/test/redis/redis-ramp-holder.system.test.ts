import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { guardrail } from '@pennon/statistics';

import { secureRandom } from '../../src/random.ts';
import { endWithTests } from '../support/process.ts';
import type { DeathPoint, RampServerCommand } from './ramp-server.ts';
import { newDirectory, production, request } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

const SCRIPT = new URL('ramp-server.ts', import.meta.url);
const STEP_MS = 60_000;
/** How much time passes between two looks of the test, and how long that takes. */
const PASSED_MS = 5_000;
const PAUSE_MS = 50;

type RampServer = {
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
};

let now = Date.parse('2026-12-01T09:00:00Z');
let servers: RampServer[] = [];
afterEach(() => {
  for (const { child } of servers.splice(0)) child.kill('SIGKILL');
});

const startOn = async (prefix: string): Promise<RampServer> => {
  const child = fork(SCRIPT, [redis().url, prefix, String(now)]);
  endWithTests(child);
  const ended = once(child, 'exit');
  child.once('exit', () => {
    servers = servers.filter(each => each.child !== child);
  });
  const [url]: unknown[] = await once(child, 'message');
  const server = { url: String(url), child, ended };
  servers.push(server);
  return server;
};

/** Sends a command to all servers. One that ends instead of a reply, or has just ended, is done, too. */
const command = async (what: RampServerCommand): Promise<void> => {
  await Promise.all(
    servers.map(async ({ child, ended }) => {
      const done = Promise.race([once(child, 'message'), ended]);
      // The channel of a server that was killed closes before its end is known.
      child.send(what, () => {});
      await done;
    }),
  );
};

const pass = async (): Promise<void> => {
  now += PASSED_MS;
  await command({ advance: PASSED_MS });
  await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
};

const api = async (method: string, path: string, body?: object) => {
  const [server] = servers;
  const response = await request(server?.url ?? '', method, production(path), {
    ...(body !== undefined && { body }),
  });
  if (response.status >= 300) throw new Error(response.text);
  return response.body;
};
const read = () => api('GET', '/ramps/checkout');

const LOOKS = 400;
/** Only for a busy machine. */
const TIMEOUT_MS = 300_000;

/** Advances the clocks until something is so. */
const passUntil = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let look = 0; look < LOOKS; look += 1) {
    if (await condition()) return;
    await pass();
  }
  throw new Error(`it did not happen: ${String(condition)}`);
};

/** Kills the server that does the next step of the ramp in the middle of it, and no other one. */
const killHolder = async (point: DeathPoint): Promise<void> => {
  const before = servers.length;
  await command({ dies: { point, mark: join(newDirectory(), 'mark') } });
  await passUntil(() => servers.length < before);
  await command({ dies: null });
  expect(servers).toHaveLength(before - 1);
};

const start = async (): Promise<void> => {
  const window = { toMs: 60_000 };
  const metric = { key: 'failed', kind: 'conversion', event: 'failed', window };
  await api('POST', '/metrics', { ...metric, direction: 'decrease' });
  await api('POST', '/flags', { key: 'new-checkout', enabled: true, defaultVariant: 'off' });
  await api('POST', '/ramps', {
    key: 'checkout',
    flag: 'new-checkout',
    rule: 'release',
    control: 'off',
    treatment: 'on',
    steps: [1, 5, 25, 50].map(share => ({ share, holdMinutes: STEP_MS / 60_000 })),
    guardrails: [{ metric: 'failed' }],
  });
  await api('POST', '/ramps/checkout/start');
};

it(
  'when the server that watches a ramp is killed in a step, another one does that step, and each is done once',
  async () => {
    const prefix = `holder-${secureRandom(8)}`;
    await startOn(prefix);
    await startOn(prefix);
    await start();
    const points: DeathPoint[] = ['before', 'during', 'after'];
    for (const [index, point] of points.entries()) {
      await killHolder(point);
      await passUntil(async () => (await read()).step === index + 2);
      await startOn(prefix);
      // The servers know of each other after a report.
      await pass();
    }
    expect(await read()).toMatchObject({ state: 'running', step: 4 });
    await command({ failed: [5, 60] });
    await killHolder('before');
    await passUntil(async () => (await read()).state === 'rolledBack');
    for (let look = 0; look < 10; look += 1) await pass();

    expect((await api('GET', '/flags/new-checkout')).rules).toEqual([]);
    const { items } = await api('GET', '/audit?limit=50');
    const done = items.filter(({ actor }: { actor: { id: string } }) => actor.id === 'pennon:ramp');
    const actions = done.map(({ action }: { action: string }) => action).toReversed();
    // Each step is one commit of the ramp and its flag.
    expect(actions.filter((action: string) => action !== 'flag.update')).toEqual([
      'ramp.advance',
      'ramp.advance',
      'ramp.advance',
      'ramp.rollback',
    ]);
    expect(actions).toHaveLength(8);
    const revisions = new Set(done.map(({ revision }: { revision: number }) => revision));
    expect(revisions.size).toBe(4);
    const rollback = done.find(({ action }: { action: string }) => action === 'ramp.rollback');
    const { mature, soFar, share, direction, tolerance, alpha, evidence } =
      rollback.after.reason.evidence;
    const again = guardrail({
      kind: 'conversion',
      ...mature,
      soFar,
      share,
      direction,
      tolerance,
      alpha,
    });
    expect(again.harming).toBe(true);
    expect(Math.exp(again.exact?.logEvidence ?? 0)).toBeCloseTo(evidence, 6);
  },
  TIMEOUT_MS,
);
