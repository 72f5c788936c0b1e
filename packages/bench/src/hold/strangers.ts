import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Table } from '../table.ts';
import { startMeasured } from './server.ts';

/** Connections without a key. */
type Strangers = {
  readonly name: string;
  readonly count: number;
  /** What each sends. */
  readonly bytes: string;
  /** Whether they read what they receive. */
  readonly reads: boolean;
  readonly settings?: Readonly<Record<string, string>>;
};

const LARGE = 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n';
const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
const UPLOAD =
  'POST /trpc/flags.create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n';

const KINDS: readonly Strangers[] = [
  { name: 'silent', count: 5_000, bytes: '', reads: true },
  {
    name: '15 KB of headers without an end',
    count: 5_000,
    bytes: `${HEALTH.trimEnd()}\r\nX-Long: ${'x'.repeat(15_000)}`,
    reads: true,
  },
  { name: '16 KB of a body', count: 5_000, bytes: UPLOAD + ' '.repeat(16_384), reads: true },
  { name: 'reading nothing of 1.4 MB', count: 2_000, bytes: LARGE.repeat(3), reads: false },
  { name: '100 pipelined requests', count: 500, bytes: LARGE + HEALTH.repeat(98), reads: false },
  { name: 'one, 600 pipelined requests', count: 1, bytes: LARGE.repeat(600), reads: false },
  {
    name: '600 at a limit of 100',
    count: 600,
    bytes: '',
    reads: true,
    settings: { PENNON_MAX_CONNECTIONS: '100' },
  },
];

const BATCH = 100;
/** How long the server has to handle what it received. */
const SETTLE_MS = 2_000;

const open = async (port: number, { bytes, reads }: Strangers): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  if (reads) socket.resume();
  else socket.pause();
  if (bytes !== '') socket.write(bytes);
  return socket;
};

const openAll = async (port: number, kinds: readonly Strangers[]): Promise<readonly Socket[]> => {
  const sockets: Socket[] = [];
  for (const kind of kinds)
    for (let i = 0; i < kind.count; i += BATCH) {
      const length = Math.min(BATCH, kind.count - i);
      sockets.push(...(await Promise.all(Array.from({ length }, () => open(port, kind)))));
    }
  return sockets;
};

const isUp = (url: string): Promise<string> =>
  fetch(`${url}/healthz`).then(
    ({ status }) => String(status),
    () => 'refused',
  );

const rowOf = async (name: string, kinds: readonly Strangers[]): Promise<string[]> => {
  await using server = await startMeasured(kinds.length === 1 ? kinds[0]?.settings : {});
  // Loads what the first responses need.
  for (const path of ['/healthz', '/docs/swagger-ui-bundle.js'])
    await (await fetch(server.url + path)).text();
  await server.report();
  const before = server.peakMib();
  const sockets = await openAll(Number(new URL(server.url).port), kinds);
  await sleep(SETTLE_MS);
  const memory = (server.peakMib() - before).toFixed(0);
  const held = (await server.report()).longestMs.toFixed(0);
  const status = await isUp(server.url);
  for (const socket of sockets) socket.destroy();
  const count = kinds.reduce((sum, kind) => sum + kind.count, 0);
  return [name, String(count), held, memory, status];
};

/**
 * What connections without a key cost, each kind on a server of its own and then all of them on one. Only the last
 * if it is quick.
 */
export const strangersTable = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<Table> => {
  const rows: string[][] = [];
  for (const kind of isQuick ? [] : KINDS) rows.push(await rowOf(kind.name, [kind]));
  rows.push(await rowOf('all of these together', KINDS));
  return {
    title: 'Connections without a key',
    columns: ['each sends', 'connections', 'loop held ms', 'memory MiB', '/healthz'],
    rows,
    notes: [
      'Memory is the peak of the process beyond its memory before, with what it has not collected yet.',
    ],
  };
};
