import { expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer } from './support/server.ts';

it('one key may ask so often a second, and is then told when to come back', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock, limits: { requestsPerSecond: 5 } });
  const ask = () => server.ask('GET', '/api/v1/environments');
  for (let i = 0; i < 5; i += 1) expect((await ask()).status).toBe(200);
  const refused = await ask();
  expect([refused.status, refused.headers['retry-after'], refused.body.error.code]).toEqual([
    429,
    '1',
    'TOO_MANY_REQUESTS',
  ]);
  clock.advance(200);
  expect((await ask()).status).toBe(200);
  expect((await ask()).status).toBe(429);
});

it('one key does not use up what another has', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 2 },
  });
  const viewer = await server.keyOf('viewer');
  for (let i = 0; i < 3; i += 1) await server.api('GET', '/flags', { key: viewer });
  expect((await server.api('GET', '/flags', { key: viewer })).status).toBe(429);
  expect((await server.api('GET', '/flags')).status).toBe(200);
});

it('visitors who share a client key do not block one another', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 2, trustedProxies: 1 },
  });
  const key = await server.keyOf('client');
  const from = async (address: string) =>
    (
      await server.ask('POST', '/api/v1/evaluations', {
        key,
        body: { context: {} },
        headers: { 'x-forwarded-for': address },
      })
    ).status;
  expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('192.0.2.1')]).toEqual([
    200, 200, 429,
  ]);
  expect(await from('192.0.2.2')).toBe(200);
});

it('an address that nobody vouches for is not believed', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 1 },
  });
  const key = await server.keyOf('client');
  const from = async (address: string) =>
    (
      await server.ask('POST', '/api/v1/evaluations', {
        key,
        body: { context: {} },
        headers: { 'x-forwarded-for': address },
      })
    ).status;
  expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([200, 429]);
});

it('each call of a tRPC batch counts', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 3 },
  });
  const path = Array.from({ length: 4 }, () => 'environments.list').join(',');
  const input = encodeURIComponent(JSON.stringify({ 0: {}, 1: {}, 2: {}, 3: {} }));
  const answer = await server.ask('GET', `/trpc/${path}?batch=1&input=${input}`);
  expect(answer.status).toBe(207);
  expect(answer.headers['retry-after']).toBe('1');
  expect(answer.body.filter((each: { error?: object }) => each.error !== undefined)).toHaveLength(
    1,
  );
});

it('0 turns the limit off', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 0 },
  });
  for (let i = 0; i < 50; i += 1)
    expect((await server.ask('GET', '/api/v1/environments')).status).toBe(200);
});
