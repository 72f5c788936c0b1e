import type { Table } from '../table.ts';
import { COSTLY_REQUESTS, type CostlyRequest } from './requests.ts';
import { KEY, startMeasured } from './server.ts';

/** What costly requests cost: how long the event loop stands still, and how much memory they take. */
export const holdBenchmark = async (): Promise<readonly Table[]> => {
  const rows: string[][] = [];
  for (const request of COSTLY_REQUESTS) rows.push(await rowOf(request));
  return [
    {
      title: 'Costly requests, each to a server of its own',
      columns: ['request', 'MiB sent', 'status', 'seconds', 'loop held ms', 'memory MiB'],
      rows,
      notes: ['Memory is the peak of the process beyond its memory before the request.'],
    },
  ];
};

const rowOf = async ({ name, path, body }: CostlyRequest): Promise<string[]> => {
  await using server = await startMeasured();
  const text = body();
  await server.longestMs();
  const before = server.peakMib();
  const start = performance.now();
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: text,
  });
  await response.text();
  const seconds = (performance.now() - start) / 1_000;
  const figures = [seconds.toFixed(1), (await server.longestMs()).toFixed(0)];
  const memory = (server.peakMib() - before).toFixed(0);
  return [name, (text.length / 1_048_576).toFixed(1), `${response.status}`, ...figures, memory];
};
