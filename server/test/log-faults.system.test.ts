import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { startProcess, type ServerProcess } from './support/process.ts';

const KEY = 'an-admin-key-of-24-characters-or-more';
/** Enough lines for more than a pipe and the queue of the log take. */
const REQUESTS = 400;
const LONG_ROUTE = `/${'x'.repeat(100)}`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pennon-log-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Starts a server whose standard error is `target`, with a line of the log for each request. */
const startWithLogTo = (target: string, limit = ''): Promise<ServerProcess> =>
  startProcess({
    env: {
      PENNON_DATA: ':memory:',
      PENNON_ADMIN_KEY: KEY,
      PENNON_RATE_LIMIT: '0',
      LOG_LEVEL: 'debug',
    },
    under: ['bash', '-c', `${limit} exec "$@" 2>'${target}'`, '--'],
  });

const get = (url: string, path: string) =>
  fetch(url + path, {
    headers: { authorization: `Bearer ${KEY}` },
    signal: AbortSignal.timeout(90_000),
  });

const statusesOf = async (url: string, path: string, count: number): Promise<number[]> => {
  const statuses = new Set<number>();
  for (let i = 0; i < count; i += 20) {
    const responses = await Promise.all(Array.from({ length: 20 }, () => get(url, path)));
    for (const response of responses) {
      statuses.add(response.status);
      await response.body?.cancel();
    }
  }
  return [...statuses];
};

const droppedLines = async (url: string): Promise<number> => {
  const text = await (await get(url, '/metrics')).text();
  return Number(/^pennon_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
};

const openFifo = (flags: number): { path: string; fd: number } => {
  const path = join(directory, 'log');
  execFileSync('mkfifo', [path]);
  return { path, fd: openSync(path, flags | constants.O_NONBLOCK) };
};

/** Returns what a pipe holds at the moment. */
const readAvailable = (fd: number): string => {
  const buffer = Buffer.alloc(65_536);
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer));
  } catch {
    return '';
  }
};

it.each([
  ['on a full disk', '/dev/full', ''],
  ['in a file that has reached its largest size', 'file', 'ulimit -f 8;'],
])('a log %s loses lines, which are counted, and stops nothing', async (_, name, limit) => {
  const target = name === 'file' ? join(directory, name) : name;
  const server = await startWithLogTo(target, limit);
  expect(await statusesOf(server.url, '/healthz', REQUESTS)).toEqual([200]);
  expect(await droppedLines(server.url)).toBeGreaterThan(100);
  expect(await server.stop()).toBe(0);
});

it('a log whose reader has ended loses lines, which are counted, and stops nothing', async () => {
  const { path, fd } = openFifo(constants.O_RDONLY);
  const server = await startWithLogTo(path);
  closeSync(fd);
  expect(await statusesOf(server.url, '/healthz', REQUESTS)).toEqual([200]);
  expect(await droppedLines(server.url)).toBeGreaterThan(100);
  expect(await server.stop()).toBe(0);
});

it('a log that is not read is bounded, stops nothing, and continues when it is read again', async () => {
  const { path, fd } = openFifo(constants.O_RDWR);
  const server = await startWithLogTo(path);
  while ((await droppedLines(server.url)) === 0)
    expect(await statusesOf(server.url, LONG_ROUTE, REQUESTS)).toEqual([404]);
  const dropped = await droppedLines(server.url);
  expect(dropped).toBeGreaterThan(0);
  let last = '';
  await expect
    .poll(
      async () => {
        await get(server.url, '/readyz');
        for (let text = readAvailable(fd); text !== ''; text = readAvailable(fd)) last = text;
        return last;
      },
      { timeout: 90_000 },
    )
    .toContain('"/readyz"');
  expect(await server.stop()).toBe(0);
  closeSync(fd);
});

it('a server whose log is not read stops on a signal', async () => {
  const { path, fd } = openFifo(constants.O_RDWR);
  const server = await startWithLogTo(path);
  while ((await droppedLines(server.url)) === 0) await statusesOf(server.url, '/healthz', REQUESTS);
  expect(await server.stop()).toBe(0);
  closeSync(fd);
});
