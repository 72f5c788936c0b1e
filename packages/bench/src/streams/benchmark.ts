import { median } from '../engine/measure.ts';
import { startServer, type ServerProcess } from '../http/processes.ts';
import type { Table } from '../table.ts';
import { openReaders, type Readers } from './readers.ts';

const PENNON = new URL('../../../../server/src/main.ts', import.meta.url).pathname;
const RAW = new URL('raw.ts', import.meta.url).pathname;
const KEY = 'the-admin-key-of-a-benchmark';
const IN_PRODUCTION = '?environment=production';
const FLAG = 'new-checkout';

/** One server with its streams. */
type Candidate = {
  readonly name: string;
  readonly server: ServerProcess;
  readonly readers: Readers;
  /** Makes a change that every stream receives. */
  readonly change: (isOn: boolean) => Promise<void>;
};

const send = async (method: string, url: string, body: string): Promise<void> => {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const response = await fetch(url, { method, headers, body });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
};

const requestText = (line: string, body = ''): string =>
  `${line} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${KEY}\r\n` +
  `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const flagSetStream = (): string => requestText(`GET /api/v1/flag-set/stream${IN_PRODUCTION}`);

/** The contexts all differ, so no result can be shared. */
const valueStream = (index: number): string =>
  requestText(
    `POST /api/v1/evaluations/stream${IN_PRODUCTION}`,
    JSON.stringify({ context: { targetingKey: `visitor-${index}`, plan: 'pro', age: index } }),
  );

const startPennon = async (
  name: string,
  count: number,
  requestOf: (index: number) => string,
): Promise<Candidate> => {
  const server = await startServer([PENNON], {
    HOST: '127.0.0.1',
    PORT: '0',
    PENNON_DATA: ':memory:',
    PENNON_ADMIN_KEY: KEY,
    PENNON_RATE_LIMIT: '0',
    LOG_LEVEL: 'fatal',
  });
  const flags = `${server.url}/api/v1/flags`;
  const rules = [{ attribute: 'plan', operator: 'in', value: ['pro', 'max'] }];
  await send('POST', flags + IN_PRODUCTION, JSON.stringify({ key: FLAG, enabled: true, rules }));
  return {
    name,
    server,
    readers: await openReaders(server.url, count, requestOf),
    change: isOn =>
      send('PATCH', `${flags}/${FLAG}${IN_PRODUCTION}`, JSON.stringify({ enabled: isOn })),
  };
};

/** An event of the size that a change of the flag has. */
const RAW_EVENT = `event: change\nid: ${'x'.repeat(30)}\ndata: ${'x'.repeat(400)}\n\n`;

const startRaw = async (count: number): Promise<Candidate> => {
  const server = await startServer([RAW]);
  return {
    name: 'raw broadcast of the same bytes',
    server,
    readers: await openReaders(server.url, count, () => requestText('GET /')),
    change: () => send('POST', `${server.url}/change`, RAW_EVENT),
  };
};

/** Returns the CPU time of the server for each change, in milliseconds. */
const measureRound = async (
  { server, readers, change }: Candidate,
  changes: number,
): Promise<number> => {
  const before = server.cpuSeconds();
  for (let index = 0; index < changes; index += 1) {
    const received = readers.nextChange();
    await change(index % 2 === 1);
    await received;
  }
  return ((server.cpuSeconds() - before) * 1_000) / changes;
};

/** Measures what a change costs a server with many open streams. */
export const streamsBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<readonly Table[]> => {
  const [count, rounds, changes] = isQuick ? [1_000, 3, 20] : [4_000, 7, 20];
  const candidates = [
    await startRaw(count),
    await startPennon('flag-set streams', count, flagSetStream),
    await startPennon('value streams, contexts that all differ', count, valueStream),
  ];
  const measured: number[][] = candidates.map(() => []);
  // The rounds alternate, so other load on the machine affects all. The first one warms up.
  for (let round = 0; round <= rounds; round += 1)
    for (const [index, candidate] of candidates.entries()) {
      const ms = await measureRound(candidate, changes);
      if (round > 0) measured[index]?.push(ms);
    }
  for (const { server, readers } of candidates) {
    readers.close();
    await server.stop();
  }
  const [raw = []] = measured;
  return [
    {
      title: `One change to ${count.toLocaleString('en')} streams`,
      columns: ['streams', 'CPU ms', '÷ raw', 'to reach'],
      rows: candidates.map(({ name }, index) => {
        const own = measured[index] ?? [];
        const ratios = own.map((ms, round) => ms / (raw[round] ?? ms));
        const goal = ['1.0', '1.0', '1.3'][index] ?? '';
        return [name, median(own).toFixed(1), median(ratios).toFixed(2), goal];
      }),
      notes: ['CPU time of the server; medians of rounds that alternate, ratios within a round.'],
    },
  ];
};
