import { expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer } from './support/server.ts';

it('limits the requests of one key per second, with Retry-After', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock, limits: { requestsPerSecond: 5 } });
  const request = () => server.request('GET', '/api/v1/environments');
  for (let i = 0; i < 5; i += 1) expect((await request()).status).toBe(200);
  const rejected = await request();
  expect([rejected.status, rejected.headers['retry-after'], rejected.body.error.code]).toEqual([
    429,
    '1',
    'TOO_MANY_REQUESTS',
  ]);
  clock.advance(200);
  expect((await request()).status).toBe(200);
  expect((await request()).status).toBe(429);
});

it('counts as before if the clock of the machine is set back or forward', async () => {
  const clock = createFakeClock();
  await using server = await startServer({ clock, limits: { requestsPerSecond: 2 } });
  const status = async () => (await server.request('GET', '/api/v1/environments')).status;
  expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
  clock.setWallTime(-3_600_000);
  clock.advance(500);
  expect([await status(), await status()]).toEqual([200, 429]);
  clock.setWallTime(7_200_000);
  expect(await status()).toBe(429);
});

it('limits each key on its own', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 2 },
  });
  const viewer = await server.keyOf('viewer');
  for (let i = 0; i < 3; i += 1) await server.api('GET', '/flags', { key: viewer });
  expect((await server.api('GET', '/flags', { key: viewer })).status).toBe(429);
  expect((await server.api('GET', '/flags')).status).toBe(200);
});

it('limits a client key for each address, so visitors do not block one another', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 2, trustedProxies: 1 },
  });
  const key = await server.keyOf('client');
  const from = async (address: string) =>
    (
      await server.request('POST', '/api/v1/evaluations', {
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

it.each([
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', 64, true],
  ['2001:db8:0:1::1', '2001:db8:0:2::1', 64, false],
  ['2001:db8:0:1::1', '2001:db8:0:2::1', 48, true],
  ['2001:db8::1', '2001:db8::2', 128, false],
  ['::ffff:192.0.2.1', '192.0.2.1', 64, true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', 64, false],
  ['fe80::1%eth0', 'fe80::2%eth1', 64, true],
  ['not an address', 'nor this', 64, true],
])(
  '%s and %s with a prefix of %d are one visitor: %s',
  async (first, second, ipv6Prefix, isOne) => {
    await using server = await startServer({
      clock: createFakeClock(),
      limits: { requestsPerSecond: 1, trustedProxies: 1, ipv6Prefix },
    });
    const key = await server.keyOf('client');
    const from = async (address: string) => {
      const headers = { 'x-forwarded-for': address };
      const body = { context: {} };
      return (await server.request('POST', '/api/v1/evaluations', { key, body, headers })).status;
    };
    expect([await from(first), await from(second)]).toEqual([200, isOne ? 429 : 200]);
  },
);

it('ignores X-Forwarded-For without a trusted proxy', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 1 },
  });
  const key = await server.keyOf('client');
  const from = async (address: string) =>
    (
      await server.request('POST', '/api/v1/evaluations', {
        key,
        body: { context: {} },
        headers: { 'x-forwarded-for': address },
      })
    ).status;
  expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([200, 429]);
});

it('counts each call of a tRPC batch', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 3 },
  });
  const path = Array.from({ length: 4 }, () => 'environments.list').join(',');
  const input = encodeURIComponent(JSON.stringify({ 0: {}, 1: {}, 2: {}, 3: {} }));
  const response = await server.request('GET', `/trpc/${path}?batch=1&input=${input}`);
  expect(response.status).toBe(207);
  expect(response.headers['retry-after']).toBe('1');
  expect(response.body.filter((each: { error?: object }) => each.error !== undefined)).toHaveLength(
    1,
  );
});

it('has no limit if it is set to 0', async () => {
  await using server = await startServer({
    clock: createFakeClock(),
    limits: { requestsPerSecond: 0 },
  });
  for (let i = 0; i < 50; i += 1)
    expect((await server.request('GET', '/api/v1/environments')).status).toBe(200);
});
