import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { readConfig } from '../src/config.ts';
import { secureRandom } from '../src/random.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { startProcess } from './support/process.ts';
import { startServer } from './support/server.ts';

const KEY = 'an-admin-key-of-24-characters-or-more';
const METRIC = { key: 'bought', kind: 'count', event: 'bought', window: { toMs: 3_600_000 } };

const batchOf = (sequence: number, timeMs: number, attributes: readonly object[]) => ({
  instance: 'instance-0123456789',
  sequence,
  sentAtMs: timeMs,
  events: attributes.map(each => ({
    type: 'track',
    name: 'bought',
    timeMs,
    attributes: each,
    units: { targetingKey: 'ada' },
  })),
});

it('PENNON_EVENTS_UNITS=clear adds the units themselves to the export', async () => {
  const server = await startProcess({
    env: { PENNON_DATA: ':memory:', PENNON_ADMIN_KEY: KEY, PENNON_EVENTS_UNITS: 'clear' },
  });
  const send = async (path: string, body?: object) => {
    const response = await fetch(`${server.url}/api/v1/${path}?environment=production`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  };
  expect((await send('metrics', METRIC)).status).toBe(201);
  expect((await send('events', batchOf(1, Date.now(), [{}]))).status).toBe(202);
  const [line = ''] = (await send('events/export')).text.split('\n');
  expect(JSON.parse(line)).toMatchObject({ unit: expect.any(String), clear: 'ada' });
  await server.stop();
});

it('PENNON_EVENTS_LOG_MIB limits the log of the embedded store', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-events-'));
  const clock = createFakeClock();
  const { store } = readConfig({ PENNON_DATA: directory, PENNON_EVENTS_LOG_MIB: '1' });
  const opened = await store.open({ random: secureRandom, clock, onWarning: () => {} });
  await using server = await startServer({ clock, store: opened });
  await server.api('POST', '/metrics', { body: METRIC });
  const attributes = Array.from({ length: 60 }, () => ({ text: 'x'.repeat(3_500) }));
  for (let sequence = 1; sequence <= 10; sequence += 1) {
    const body = batchOf(sequence, clock.now(), attributes);
    expect((await server.api('POST', '/events', { body })).body.accepted).toBe(60);
  }
  const size = async (): Promise<number> => {
    const { text } = await server.api('GET', '/events/export?limit=1000');
    return text.length;
  };
  expect(await size()).toBeGreaterThan(2_000_000);
  clock.jump(16_000);
  const isSmall = async () => {
    clock.jump(1_000);
    return (await size()) < 1_100_000;
  };
  await expect.poll(isSmall).toBe(true);
  expect(await size()).toBeGreaterThan(800_000);
  await server.close();
  rmSync(directory, { recursive: true });
});
