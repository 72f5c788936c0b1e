import { expect, it } from 'vitest';

import { startServerOn, production, type RedisServer } from './servers.ts';
import { useRedis } from './setup.ts';

const flags = useRedis();
const events = useRedis();

const startExperiment = async (server: RedisServer): Promise<void> => {
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  const window = { toMs: 3_600_000 };
  for (const [path, body, status] of [
    ['/metrics', { key: 'bought', kind: 'count', event: 'bought', window }, 201],
    ['/flags', { key: 'checkout', enabled: true, rules: [{ id: 'test', split }] }, 201],
    [
      '/experiments',
      {
        key: 'ab',
        flag: 'checkout',
        rule: 'test',
        control: 'off',
        metrics: [{ metric: 'bought', role: 'primary' }],
      },
      201,
    ],
    ['/experiments/ab/start', undefined, 200],
  ] as const) {
    const options = body === undefined ? {} : { body };
    const response = await server.request('POST', production(path), options);
    expect([path, response.status]).toEqual([path, status]);
  }
};

let sequence = 0;
const send = (server: RedisServer) => {
  sequence += 1;
  const event = {
    type: 'track',
    name: 'bought',
    timeMs: Date.now(),
    units: { targetingKey: 'ada' },
  };
  const body = {
    instance: 'instance-0123456789',
    sequence,
    sentAtMs: Date.now(),
    events: [event],
  };
  return server.request('POST', production('/events'), { body });
};

const keysIn = (redis: ReturnType<typeof flags>): string[] =>
  redis.cli('keys', '*').split('\n').filter(Boolean);

it('events are only in the Redis of PENNON_EVENTS_REDIS_URL, and its loss affects no flag', async () => {
  const server = await startServerOn(flags().url, {
    PENNON_EVENTS_REDIS_URL: events().url,
    LOG_LEVEL: 'fatal',
  });
  await startExperiment(server);
  await expect.poll(async () => (await send(server)).status).toBe(202);
  expect(keysIn(flags()).filter(key => key.includes('{events:'))).toEqual([]);
  const logs = keysIn(events());
  expect(logs.length).toBeGreaterThan(0);
  expect(logs.filter(key => !key.startsWith('pennon:{events:'))).toEqual([]);

  await events().kill();
  const refused = await send(server);
  expect([refused.status, refused.body.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const body = { flagKey: 'checkout', context: { targetingKey: 'ada' } };
  expect((await server.request('POST', production('/evaluate'), { body })).status).toBe(200);
  expect((await server.request('PATCH', production('/flags/checkout'), { body: {} })).status).toBe(
    200,
  );
  expect((await server.request('GET', '/readyz')).status).toBe(200);

  await events().start();
  await expect.poll(async () => (await send(server)).status).toBe(202);
  await server.stop('SIGTERM');
});
