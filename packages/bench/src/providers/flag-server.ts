import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server that sends prepared flags and changes to providers. */
export type FlagServer = { readonly url: string; close(): void };

/** The time between two events. Providers finish with one event in much less. */
const PAUSE_MS = 400;

/** A change of the version alone is not reported, so another variant is the default, too. */
const flagAt = (index: number, version: number) => ({
  key: `flag-${index}`,
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: version % 2 === 0 ? 'on' : 'off',
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
  seed: `flag-${index}`,
  clientVisible: true,
  metadata: { team: 'web' },
  version,
});

/** The size of one flag in the flag set, in bytes of JSON. */
export const FLAG_BYTES = Buffer.byteLength(JSON.stringify(flagAt(0, 1)));

const evaluationAt = (index: number, version: number) => ({
  flagKey: `flag-${index}`,
  enabled: version % 2 === 0,
  reason: 'SPLIT',
  variant: version % 2 === 0 ? 'on' : 'off',
  value: version % 2 === 0,
  ruleId: 'one-in-five',
  metadata: { team: 'web' },
});

const recordOf = <Value>(count: number, create: (index: number) => Value): Record<string, Value> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`flag-${index}`, create(index)]));

const INSIDERS = {
  insiders: { key: 'insiders', conditions: [{ attribute: 'plan', operator: 'exists' }] },
};

const frame = (event: string, data: object, id: string): string =>
  `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

const idOf = (revision: number): string => `epoch.${revision}.nonce`;

/** The response to a poll, and the events of the stream that follows it. */
type Resource = { readonly poll: object; readonly frames: readonly string[] };

/** All flags, then a change of one flag, then all flags again with another change. */
const flagSetResource = (count: number): Resource => {
  const flagSet = (revision: number, changed: number) => ({
    formatVersion: 1,
    environment: 'production',
    id: idOf(revision),
    revision,
    flags: recordOf(count, index => flagAt(index, index === changed ? revision : 1)),
    segments: INSIDERS,
  });
  const change = {
    previous: idOf(1),
    revision: 2,
    flags: { 'flag-0': flagAt(0, 2) },
    segments: {},
  };
  return {
    poll: flagSet(1, -1),
    frames: [
      frame('current', { revision: 1 }, idOf(1)),
      frame('change', change, idOf(2)),
      frame('set', flagSet(3, 0), idOf(3)),
    ],
  };
};

const valuesResource = (count: number): Resource => {
  const values = (revision: number, changed: number) => ({
    revision,
    evaluations: recordOf(count, index => evaluationAt(index, index === changed ? revision : 1)),
  });
  const change = { revision: 2, evaluations: { 'flag-0': evaluationAt(0, 2) } };
  return {
    poll: values(1, 0),
    frames: [
      frame('values', values(1, 0), idOf(1)),
      frame('change', change, idOf(2)),
      frame('values', values(3, 0), idOf(3)),
    ],
  };
};

const sendFrames = (response: ServerResponse, frames: readonly string[]): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  frames.forEach((text, index) => setTimeout(() => response.write(text), index * PAUSE_MS).unref());
};

export const startFlagServer = async (flagCount: number): Promise<FlagServer> => {
  const resources: Readonly<Record<string, Resource>> = {
    '/api/v1/flag-set': flagSetResource(flagCount),
    '/api/v1/evaluations': valuesResource(flagCount),
  };
  const serve = ({ url = '/' }: IncomingMessage, response: ServerResponse) => {
    const resource = resources[url.replace(/\/stream$/, '')];
    if (resource === undefined) response.end('{}');
    else if (url.endsWith('/stream')) sendFrames(response, resource.frames);
    else response.end(JSON.stringify(resource.poll));
  };
  const server = createServer(serve);
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
};
