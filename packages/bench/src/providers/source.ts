import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands in for a server: it sends what providers are to take in, at moments that a benchmark knows. */
export type Source = { readonly url: string; close(): void };

/** Between one thing that is sent and the next: more than any provider works on one. */
const PAUSE_MS = 400;

const flagAt = (at: number, version: number) => ({
  key: `flag-${at}`,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [
    {
      id: 'germany',
      conditions: [{ attribute: 'country', operator: 'equals', value: 'DE' }],
      percentage: 100,
      bucketBy: 'targetingKey',
      variant: 'on',
    },
    {
      id: 'insiders',
      conditions: [{ segment: 'insiders' }],
      percentage: 100,
      bucketBy: 'targetingKey',
      variant: 'on',
    },
    {
      id: 'one-in-five',
      conditions: [],
      percentage: 100,
      bucketBy: 'targetingKey',
      split: [
        { variant: 'on', weight: 20 },
        { variant: 'off', weight: 80 },
      ],
    },
  ],
  seed: `flag-${at}`,
  clientVisible: true,
  metadata: { team: 'web' },
  version,
  name: `Flag ${at}`,
  description: 'What it is for, in a sentence as people write them.',
  updatedAt: '2026-01-31T12:00:00.000Z',
});

const evaluationAt = (at: number, version: number) => ({
  flagKey: `flag-${at}`,
  enabled: version % 2 === 0,
  reason: 'SPLIT',
  variant: version % 2 === 0 ? 'on' : 'off',
  value: version % 2 === 0,
  ruleId: 'one-in-five',
  metadata: { team: 'web' },
});

const records = <Value>(count: number, make: (at: number) => Value): Record<string, Value> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`flag-${at}`, make(at)]));

const INSIDERS = {
  insiders: { key: 'insiders', conditions: [{ attribute: 'plan', operator: 'exists' }] },
};

const frame = (event: string, data: object, id: string): string =>
  `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

const id = (revision: number): string => `epoch.${revision}.nonce`;

/** All flags, then one of them changed, then all once more with another one changed. */
const flagSetFrames = (count: number): readonly string[] => {
  const set = (revision: number, changed: number) =>
    frame(
      'set',
      {
        formatVersion: 1,
        environment: 'production',
        id: id(revision),
        revision,
        flags: records(count, at => flagAt(at, at === changed ? revision : 1)),
        segments: INSIDERS,
      },
      id(revision),
    );
  const change = { previous: id(1), revision: 2, flags: { 'flag-0': flagAt(0, 2) }, segments: {} };
  return [set(1, -1), frame('change', change, id(2)), set(3, 0)];
};

const valuesFrames = (count: number): readonly string[] => {
  const values = (revision: number, changed: number) => {
    const evaluations = records(count, at => evaluationAt(at, at === changed ? revision : 1));
    return frame('values', { revision, evaluations }, id(revision));
  };
  const change = { revision: 2, evaluations: { 'flag-0': evaluationAt(0, 2) } };
  return [values(1, 0), frame('change', change, id(2)), values(3, 0)];
};

const send = (response: ServerResponse, frames: readonly string[]): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  frames.forEach((text, at) => setTimeout(() => response.write(text), at * PAUSE_MS).unref());
};

export const startSource = async (flags: number): Promise<Source> => {
  const server = createServer((request, response) => {
    if (request.url === '/api/v1/flag-set/stream') send(response, flagSetFrames(flags));
    else if (request.url === '/api/v1/evaluations/stream') send(response, valuesFrames(flags));
    else response.end('{}');
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
};
