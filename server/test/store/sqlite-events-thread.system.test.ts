import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import type { Worker } from 'node:worker_threads';

import { expect, it } from 'vitest';

import { createFakeClock } from '../support/fake-clock.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { newDirectory, openStore } from './sqlite-directory.ts';

const HOLD_MS = 15_000;

/** Resolves to the next thread that this process starts. */
const nextThread = async (): Promise<Worker> => {
  const [thread] = await once(process, 'worker');
  return thread;
};

const valuesOf = async (server: TestServer): Promise<Record<string, number>> => {
  const { text } = await server.request('GET', '/metrics');
  const lines = text.matchAll(/^pennon_events_(\w+) (\S+)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
};

it('without the thread of the events flags are evaluated, and it starts again', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock, store: await openStore(newDirectory()) });
  const window = { toMs: 3_600_000 };
  const metric = { key: 'bought', kind: 'count', event: 'bought', window };
  expect((await server.api('POST', '/metrics', { body: metric })).status).toBe(201);
  expect(
    (await server.api('POST', '/flags', { body: { key: 'checkout', enabled: true } })).status,
  ).toBe(201);

  let sequence = 0;
  const send = async () => {
    sequence += 1;
    const timeMs = clock.now();
    const event = { type: 'track', name: 'bought', timeMs, units: { targetingKey: 'ada' } };
    const batch = { instance: 'instance-0123456789', sequence, sentAtMs: timeMs, events: [event] };
    const { status, body, headers } = await server.api('POST', '/events', { body: batch });
    return [status, body.accepted ?? body.error.code, headers['retry-after']];
  };
  const starting = nextThread();
  expect(await send()).toEqual([202, 1, undefined]);
  await (await starting).terminate();
  expect(await send()).toEqual([503, 'SERVICE_UNAVAILABLE', '1']);
  expect(await valuesOf(server)).toMatchObject({ down: 1, thread_failures_total: 1 });
  expect((await server.api('GET', '/events/export')).status).toBe(503);
  const evaluate = { body: { flagKey: 'checkout', context: { targetingKey: 'ada' } } };
  expect((await server.api('POST', '/evaluate', evaluate)).status).toBe(200);
  expect((await server.request('GET', '/readyz')).status).toBe(200);

  const restarting = nextThread();
  clock.advance(1_000);
  expect(await send()).toEqual([202, 1, undefined]);
  expect(await valuesOf(server)).toMatchObject({ down: 0, thread_failures_total: 1 });
  await (await restarting).terminate();
  expect(await send()).toEqual([503, 'SERVICE_UNAVAILABLE', '2']);
  expect(server.logs()).toContain('the thread of the events has ended; it starts again');

  clock.advance(HOLD_MS);
  const fold = async () => {
    clock.advance(1_000);
    return valuesOf(server);
  };
  const folded = { folded_entries_total: 2, fold_lag_seconds: 0, thread_failures_total: 2 };
  await expect.poll(fold).toMatchObject(folded);
});

/** The nice values of the threads of this process with a name. */
const prioritiesOf = (name: string): number[] =>
  readdirSync('/proc/self/task')
    .filter(id => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === name)
    .map(id => getPriority(Number(id)));

it('the thread of the events has a lower priority than the one that evaluates', async () => {
  await using server = await startServer({ store: await openStore(newDirectory()) });
  const batch = { instance: 'instance-0123456789', sequence: 1, sentAtMs: 0, events: [] };
  await server.api('POST', '/events', { body: batch });
  await expect.poll(() => prioritiesOf('pennon-events')).toEqual([getPriority() + 5]);
});
