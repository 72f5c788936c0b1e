import { request } from 'node:http';

import { KEY, startMeasured } from '../hold/server.ts';
import type { Table } from '../table.ts';

const FLAGS = 1_000;
const CODINGS = ['identity', 'gzip', 'br', 'zstd'];
const PLACES = ['AT', 'DE', 'CH', 'FR', 'IT'];

/** Three rules, with values that differ between the flags. */
const flag = (index: number) => ({
  key: `flag-${index}`,
  description: `The feature number ${index} of the shop`,
  enabled: true,
  clientVisible: true,
  rules: [
    { attribute: 'country', operator: 'in', value: PLACES.slice(index % PLACES.length) },
    { attribute: 'email', operator: 'endsWith', value: `@team-${index % 40}.example` },
    { attribute: 'plan', operator: 'in', value: ['pro', 'max'], percentage: index % 100 },
  ],
});

type Request = { readonly name: string; readonly path: string; readonly body?: object };

const REQUESTS: readonly Request[] = [
  { name: 'flag set: Node.js, Python', path: 'flag-set' },
  {
    name: 'values of a context: web',
    path: 'evaluations',
    body: { context: { targetingKey: 'ada', plan: 'pro', country: 'AT' } },
  },
];

type Exchange = { readonly bytes: number; readonly etag: string };

/** Sends a request on a connection of its own, and counts what arrives there, headers included. */
const exchange = (
  url: string,
  { path, body }: Request,
  headers: Readonly<Record<string, string>>,
): Promise<Exchange> =>
  new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const options = {
      agent: false,
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${KEY}`, ...type, ...headers },
    };
    const target = `${url}/api/v1/${path}?environment=production`;
    const sending = request(target, options, response => {
      const { socket, headers: received } = response;
      response.resume().once('end', () => {
        resolve({ bytes: socket.bytesRead, etag: received.etag ?? '' });
      });
    });
    sending.once('error', reject);
    sending.end(body && JSON.stringify(body));
  });

/** The bytes of a start, and of a poll that finds nothing new, in each coding. */
const rowsOf = async (url: string, each: Request): Promise<string[][]> => {
  const start: string[] = [];
  const poll: string[] = [];
  for (const coding of CODINGS) {
    const headers = { 'accept-encoding': coding };
    const first = await exchange(url, each, headers);
    const again = await exchange(url, each, { ...headers, 'if-none-match': first.etag });
    start.push(first.bytes.toLocaleString('en'));
    poll.push(again.bytes.toLocaleString('en'));
  }
  return [
    [`${each.name}, start`, ...start],
    [`${each.name}, poll`, ...poll],
  ];
};

/** Counts the bytes that a provider receives for its start and for each poll. */
export const bytesBenchmark = async (): Promise<readonly Table[]> => {
  await using server = await startMeasured();
  const create = { name: '', path: 'flags' };
  for (let index = 0; index < FLAGS; index += 1)
    await exchange(server.url, { ...create, body: flag(index) }, {});
  const rows: string[][] = [];
  for (const each of REQUESTS) rows.push(...(await rowsOf(server.url, each)));
  return [
    {
      title: `Bytes received for ${FLAGS.toLocaleString('en')} flags, headers included`,
      columns: ['request', ...CODINGS],
      rows,
      notes: [
        'Node.js requests br, Python gzip, and browsers br or zstd over TLS and gzip without it.',
      ],
    },
  ];
};
