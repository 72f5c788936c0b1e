import { once } from 'node:events';
import { request as startRequest, type IncomingMessage } from 'node:http';

import { describe, expect, it } from 'vitest';

import { freePort } from '../support/free-ports.ts';
import { repeat, type Outcome } from '../support/repeat.ts';
import { startProcess } from '../support/process.ts';
import { openSse } from '../support/sse.ts';
import { ADMIN_KEY, newDirectory, production, request } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

const GRACE_S = 3;
const CLIENTS = 8;
/** No request is sent so shortly before the grace period ends. */
const MARGIN_MS = 500;

const start = (env: Readonly<Record<string, string>>) =>
  startProcess({
    env: {
      PENNON_ADMIN_KEY: ADMIN_KEY,
      PENNON_DATA: newDirectory(),
      PENNON_SHUTDOWN_GRACE: String(GRACE_S),
      PENNON_RATE_LIMIT: '0',
      ...env,
    },
  });

const statuses = (outcomes: readonly Outcome[]) => [
  ...new Set(outcomes.map(({ status }) => status)),
];

/** How many processes serve. */
const countServers = async (url: string): Promise<number> =>
  (await request(url, 'GET', '/api/v1/status')).body.servers.length;

/** Sends the headers of a write. Returns how to send its body, and the status of the response. */
const slowWrite = async (url: string) => {
  const body = JSON.stringify({ key: 'slow', enabled: true });
  const sent = startRequest(url + production('/flags'), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${ADMIN_KEY}`,
      'content-type': 'application/json',
      'content-length': body.length,
    },
  });
  const responded: Promise<[IncomingMessage]> = once(sent, 'response') as Promise<
    [IncomingMessage]
  >;
  sent.write(body.slice(0, 5));
  await once(sent, 'socket');
  return async () => {
    sent.end(body.slice(5));
    const [response] = await responded;
    response.resume();
    return response.statusCode;
  };
};

describe.each([
  ['one process on the embedded store', 1, () => ({})],
  ['one process on Redis', 1, () => ({ REDIS_URL: redis().url, PENNON_INIT: 'empty' })],
  [
    'three workers',
    3,
    () => ({ REDIS_URL: redis().url, PENNON_INIT: 'empty', PENNON_WORKERS: '3' }),
  ],
])('SIGTERM to %s', (_, count, env) => {
  it('breaks no request before the grace period ends, finishes slow ones, and ends within 10 s', async () => {
    redis().cli('flushall');
    const server = await start({ ...env(), PORT: String(await freePort()) });
    await expect.poll(() => countServers(server.url)).toBe(count);
    const flag = { key: `f-${CLIENTS}`, enabled: true };
    await request(server.url, 'POST', production('/flags'), { body: flag });
    // Each connection may reach another worker, which may not have received the flag yet.
    const evaluateOnce = async () => {
      const body = { flagKey: flag.key, context: {} };
      const headers = { connection: 'close' };
      return (await request(server.url, 'POST', production('/evaluate'), { body, headers })).status;
    };
    const evaluateOften = () => Promise.all(Array.from({ length: 30 }, evaluateOnce));
    await expect.poll(evaluateOften).toEqual(Array(30).fill(200));
    const graceEnds = new AbortController();
    const evaluation = {
      method: 'POST',
      key: ADMIN_KEY,
      body: JSON.stringify({ flagKey: flag.key, context: {} }),
      until: graceEnds.signal,
    };
    let closing = 0;
    let graceEndsAt = Infinity;
    const broken: Outcome[] = [];
    const begun = new Set<number>();
    const clients = Array.from({ length: CLIENTS }, (__, client) =>
      repeat(server.url + production('/evaluate'), {
        ...evaluation,
        onOutcome(outcome) {
          begun.add(client);
          closing += outcome.connection === 'close' ? 1 : 0;
          // If this process was paused, a request may end after the grace period.
          if (outcome.status !== 200 && performance.now() < graceEndsAt) broken.push(outcome);
        },
      }),
    );
    const finishWrite = await slowWrite(server.url);
    const stopped = new AbortController();
    const probed: Outcome[] = [];
    const prober = repeat(`${server.url}/readyz`, {
      keepAlive: false,
      until: stopped.signal,
      onOutcome: outcome => void probed.push(outcome),
    });

    await expect.poll(() => [begun.size, probed.length > 0]).toEqual([CLIENTS, true]);
    const before = closing;
    const startedAt = performance.now();
    graceEndsAt = startedAt + GRACE_S * 1_000;
    setTimeout(() => graceEnds.abort(), GRACE_S * 1_000 - MARGIN_MS);
    const exit = server.stop('SIGTERM');
    const outcomes = await Promise.all(clients);
    expect(broken).toEqual([]);
    for (const client of outcomes) {
      expect(client.findLast(({ status }) => status === 200)?.connection).toBe('close');
      expect(client[0]?.connection).not.toBe('close');
    }
    expect([before, closing > CLIENTS]).toEqual([0, true]);

    await expect.poll(() => fetch(`${server.url}/healthz`).catch(() => 'refused')).toBe('refused');
    expect(performance.now() - startedAt).toBeGreaterThan(GRACE_S * 1_000 - MARGIN_MS);
    expect(await finishWrite()).toBe(201);
    expect(await exit).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    stopped.abort();
    const readiness = await prober;
    expect(statuses(readiness).slice(0, 2)).toEqual([200, 503]);
    expect(readiness.find(({ status }) => status === 503)?.body).toBe('{"status":"draining"}');
  });
});

it('a second SIGTERM ends the process at once', async () => {
  const server = await start({ PENNON_SHUTDOWN_GRACE: '300' });
  const first = server.stop('SIGTERM');
  // A copy of the first signal, as package managers pass on, changes nothing. It is another signal because the system
  // may deliver two equal ones as one.
  server.child.kill('SIGINT');
  await expect.poll(() => request(server.url, 'GET', '/readyz')).toMatchObject({ status: 503 });
  expect((await request(server.url, 'GET', '/healthz')).status).toBe(200);
  await expect
    .poll(
      () => {
        server.child.kill('SIGTERM');
        return server.child.exitCode;
      },
      { interval: 600 },
    )
    .toBe(0);
  expect(await first).toBe(0);
});

it('streams end one after the other during the grace period, and new ones go elsewhere', async () => {
  const server = await start({ PENNON_SHUTDOWN_GRACE: '6' });
  const path = '/api/v1/flag-set/stream?environment=production';
  const streams = await Promise.all(
    Array.from({ length: 4 }, () => openSse(server.url + path, { key: ADMIN_KEY })),
  );
  for (const stream of streams) await stream.next();
  const exit = server.stop('SIGTERM');
  const endedAt = await Promise.all(
    streams.map(async stream => {
      expect(await stream.next()).toBeUndefined();
      return performance.now();
    }),
  );
  expect(Math.max(...endedAt) - Math.min(...endedAt)).toBeGreaterThan(1_000);
  expect(await exit).toBe(0);
});
