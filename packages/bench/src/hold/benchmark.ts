import type { Table } from '../table.ts';
import { COSTLY_REQUESTS, IMPORT, type CostlyRequest } from './requests.ts';
import { KEY, startMeasured } from './server.ts';
import { strangersTable } from './strangers.ts';

/** What costly requests cost: how long the event loop stands still, and how much memory they take. */
export const holdBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<readonly Table[]> => {
  const strangers = await strangersTable({ isQuick });
  const rows: string[][] = [];
  for (const request of COSTLY_REQUESTS.filter(({ isSlow = false }) => !(isQuick && isSlow)))
    rows.push(await rowOf(request));
  return [
    strangers,
    {
      title: 'Costly requests, each to a server of its own',
      columns: ['request', 'MiB sent', 'status', 'seconds', 'loop held ms', 'memory MiB'],
      rows,
      notes: ['Memory is the peak of the process beyond its memory before the request.'],
    },
  ];
};

/** Sends a POST, or a GET if there is no body. */
const send = async (url: string, body: string): Promise<number> => {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const response = await fetch(url, body === '' ? { headers } : { method: 'POST', headers, body });
  await response.arrayBuffer();
  return response.status;
};

const rowOf = async ({
  name,
  path,
  body,
  count = 1,
  flags = () => [],
  imported,
}: CostlyRequest): Promise<string[]> => {
  await using server = await startMeasured();
  for (const flag of flags())
    await send(`${server.url}/api/v1/flags?environment=production`, JSON.stringify(flag));
  if (imported !== undefined) await send(server.url + IMPORT, imported());
  const texts = Array.from({ length: count }, (_, index) => body(index));
  await server.report();
  const before = server.peakMib();
  const start = performance.now();
  let status = 0;
  for (const text of texts) status = await send(server.url + path, text);
  const seconds = (performance.now() - start) / 1_000;
  const figures = [seconds.toFixed(1), (await server.report()).longestMs.toFixed(0)];
  const memory = (server.peakMib() - before).toFixed(0);
  const mib = texts.reduce((sum, { length }) => sum + length, 0) / 1_048_576;
  return [name, mib.toFixed(1), `${status}`, ...figures, memory];
};
