import { expect, it } from 'vitest';

import { createMemoryEventStore } from '../src/store/memory-event-store.ts';
import { StoreError, type Store } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const DAY_MS = 86_400_000;

const start = async (wrapStore: (store: Store) => Store = store => store) => {
  const clock = createFakeClock();
  const server = await startServer({ clock, wrapStore });
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'count', event: 'bought', window: { toMs: 3_600_000 } },
  });
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  for (const [key, bucketBy] of [
    ['checkout', 'targetingKey'],
    ['billing', 'company.id'],
  ]) {
    const rules = [{ id: 'test', bucketBy, split }];
    await server.api('POST', '/flags', {
      body: { key, enabled: true, clientVisible: key === 'checkout', rules },
    });
    const metrics = [{ metric: 'bought', role: 'primary' }];
    await server.api('POST', '/experiments', {
      body: { key: `${key}-ab`, flag: key, rule: 'test', control: 'off', metrics },
    });
    expect((await server.api('POST', `/experiments/${key}-ab/start`)).status).toBe(200);
  }
  const key = await server.keyOf('server', 'production', { exposeOnEvaluate: true });
  /** Returns the exposures in the log, once what waits is sent. */
  const exposures = async () => {
    clock.advance(1_000);
    for (let turn = 0; turn < 25; turn += 1) await new Promise(resolve => setImmediate(resolve));
    const { text } = await server.api('GET', '/events/export');
    const lines = text.trim().split('\n');
    return lines.map(line => JSON.parse(line)).filter(({ type }) => type === 'exposure');
  };
  return { clock, server, key, exposures, [Symbol.asyncDispose]: () => server.close() };
};

const ofrep = async (server: TestServer, key: string, unit: string, flag = 'checkout') => {
  const path = `/ofrep/v1/evaluate/flags/${flag}`;
  const body = { context: { targetingKey: unit, company: { id: 7 } } };
  const { status, body: result } = await server.request('POST', path, { key, body });
  expect(status).toBe(200);
  return result.variant;
};

it('a single evaluation with OFREP is an exposure, once a day', async () => {
  await using started = await start();
  const { clock, server, key, exposures } = started;
  const variant = await ofrep(server, key, 'ada');
  const timeMs = clock.now();
  await ofrep(server, key, 'ada');
  const first = await exposures();
  expect(first).toMatchObject([
    { experiment: 'checkout-ab', variant, timeMs, sdk: 'exposeOnEvaluate' },
  ]);
  await ofrep(server, key, 'ada');
  await ofrep(server, key, 'bob');
  expect(await exposures()).toHaveLength(2);
  clock.jump(DAY_MS);
  await ofrep(server, key, 'ada');
  const units = (await exposures()).map(({ unit }) => unit);
  expect(units.filter(unit => unit === first[0].unit)).toHaveLength(2);
});

it('so is one over REST and tRPC, with the unit of the rule', async () => {
  await using started = await start();
  const { server, key, exposures } = started;
  const body = { flagKey: 'billing', context: { company: { id: 7 } } };
  await server.request('POST', '/api/v1/evaluate', { key, body });
  expect(await exposures()).toMatchObject([{ experiment: 'billing-ab' }]);
  const other = { flagKey: 'checkout', context: { targetingKey: 'ada' } };
  expect(
    (await server.request('POST', '/trpc/evaluation.evaluate', { key, body: other })).status,
  ).toBe(200);
  expect(await exposures()).toHaveLength(2);
});

it('a client key exposes too, to the experiments of flags that it sees', async () => {
  await using started = await start();
  const { server, exposures } = started;
  const key = await server.keyOf('client', 'production', { exposeOnEvaluate: true });
  await ofrep(server, key, 'ada');
  expect(await exposures()).toMatchObject([{ experiment: 'checkout-ab' }]);
});

it('nothing else exposes: other keys, all flags at once, explanations, other rules', async () => {
  await using started = await start();
  const { server, key, exposures } = started;
  await ofrep(server, await server.keyOf('server'), 'ada');
  const context = { targetingKey: 'ada', company: { id: 7 } };
  const body = { context };
  await server.request('POST', '/ofrep/v1/evaluate/flags', { key, body });
  await server.request('POST', '/api/v1/evaluations', { key, body });
  await server.request('POST', '/api/v1/evaluate', {
    key,
    body: { flagKey: 'checkout', context, explain: true },
  });
  await server.api('POST', '/experiments/checkout-ab/stop');
  await ofrep(server, key, 'bob');
  expect(await exposures()).toEqual([]);
});

it('a restart of the experiment has exposures of the same units', async () => {
  await using started = await start();
  const { server, key, exposures } = started;
  await ofrep(server, key, 'ada');
  await exposures();
  await server.api('POST', '/experiments/checkout-ab/stop');
  await server.api('POST', '/experiments/checkout-ab/restart');
  await ofrep(server, key, 'ada');
  const runs = (await exposures()).map(({ run }) => run);
  expect(new Set(runs).size).toBe(2);
});

it('what the log does not take is sent again, and what waits is sent when the server ends', async () => {
  let isAway = true;
  let batches: string[] = [];
  const events = createMemoryEventStore();
  const wrap = (store: Store): Store => ({
    ...store,
    events: {
      store: {
        ...events,
        async append(ledger, entries) {
          if (isAway) throw new StoreError('unavailable', 'the log is away');
          batches = entries.map(({ text }) => text);
          await events.append(ledger, entries);
        },
      },
    },
  });
  const { clock, server, key, exposures } = await start(wrap);
  await ofrep(server, key, 'ada');
  expect(await exposures()).toEqual([]);
  isAway = false;
  clock.advance(5_000);
  expect(await exposures()).toHaveLength(1);
  expect(JSON.parse(batches[0] ?? '')).toMatchObject({ sequence: 1 });
  await ofrep(server, key, 'bob');
  await server.close();
  expect(JSON.parse(batches[0] ?? '')).toMatchObject({
    sequence: 2,
    events: [{ variant: expect.any(String) }],
  });
});

it('a key states it in the list, and only keys of applications may have it', async () => {
  await using started = await start();
  const { body: page } = await started.server.request('GET', '/api/v1/keys');
  expect(page.items).toContainEqual(expect.objectContaining({ exposeOnEvaluate: true }));
  const refused = await started.server.request('POST', '/api/v1/keys', {
    body: { name: 'x', role: 'viewer', environment: 'production', exposeOnEvaluate: true },
  });
  expect([refused.status, refused.body.error.details]).toEqual([
    400,
    [{ path: 'exposeOnEvaluate', message: 'is allowed only for "server" and "client" keys' }],
  ]);
});
