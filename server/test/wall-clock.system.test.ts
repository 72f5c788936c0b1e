import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { startProcess } from './support/process.ts';
import type { ServerProcess } from './support/process.ts';

const ADMIN_KEY = 'an-admin-key-of-24-characters-or-more';
const PER_SECOND = 5;
const HOUR_MS = 3_600_000;

let directory: string;
let server: ServerProcess;

const setClock = (hours: number) =>
  writeFile(join(directory, 'clock'), `${hours < 0 ? '' : '+'}${hours}h`);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-clock-'));
  await setClock(0);
  server = await startProcess({
    env: {
      PENNON_DATA: ':memory:',
      PENNON_ADMIN_KEY: ADMIN_KEY,
      PENNON_RATE_LIMIT: String(PER_SECOND),
      LOG_LEVEL: 'fatal',
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketime.so.1',
      FAKETIME_TIMESTAMP_FILE: join(directory, 'clock'),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
});
afterAll(async () => {
  await server.stop('SIGTERM');
  await rm(directory, { recursive: true });
});

const request = (method: string, route: string, key = ADMIN_KEY, body?: object) =>
  fetch(`${server.url}/api/v1/${route}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });

const status = async (): Promise<number> => (await request('GET', 'environments')).status;
const soon = { timeout: 90_000, interval: 100 };

/** Sends requests until the key is at its limit. */
const useUp = () => expect.poll(status, { timeout: 90_000, interval: 1 }).toBe(429);

/** Returns how many hours the clock of the server is ahead. Node.js updates this header once a second. */
const hoursAhead = async (): Promise<number> => {
  const { headers } = await fetch(`${server.url}/healthz`);
  const aheadMs = Date.parse(headers.get('date') ?? '') - Date.now();
  // Not -0, which is another number for an assertion.
  return Math.round(aheadMs / HOUR_MS) || 0;
};

/** Sets the clock of the server, relative to the real one. Its monotonic clock is real. */
const setServerClock = async (hours: number): Promise<void> => {
  await setClock(hours);
  await expect.poll(hoursAhead, soon).toBe(hours);
};

/** Sets the real time. Resolves when the key is below its limit. */
const reset = async (): Promise<void> => {
  await setServerClock(0);
  await expect.poll(status, soon).toBe(200);
};

it.each([
  ['back', -1],
  ['forward', 1],
])('a key at its limit is limited as before after the clock was set %s', async (_, hours) => {
  await reset();
  await useUp();
  await setServerClock(hours);
  await expect.poll(status, soon).toBe(200);
  await useUp();
});

it('a key expires by the time of day', async () => {
  await reset();
  const key = {
    name: 'short',
    role: 'viewer',
    environment: 'production',
    expiresAt: new Date(Date.now() + HOUR_MS / 2).toISOString(),
  };
  const create = () => request('POST', 'keys', ADMIN_KEY, key);
  const created = await vi.waitUntil(async () => {
    const response = await create();
    return response.ok && response;
  }, soon);
  const { secret }: { secret: string } = JSON.parse(await created.text());
  const read = async () => (await request('GET', 'flags', secret)).status;
  expect(await read()).toBe(200);
  await setServerClock(1);
  expect(await read()).toBe(401);
});
