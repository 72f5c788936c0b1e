import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink } from '@trpc/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { AppRouter } from '../src/router/index.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

/** More than is serialized in one step, with text that JSON escapes. */
const description = '"quoted" \\ \u{1f600} é';
const rules = Array.from({ length: 60 }, (_, rule) => ({
  conditions: Array.from({ length: 40 }, (__, index) => ({
    attribute: 'a',
    operator: 'equals',
    value: `${description}${rule}-${index}`,
  })),
}));
const flags = ['a', 'b'];
const environment = 'production';
const headers = { authorization: `Bearer ${ADMIN_KEY}` };

let server: TestServer;
let url: string;
beforeAll(async () => {
  server = await startServer();
  url = await server.listen();
  for (const key of flags) {
    const created = await server.api('PUT', `/flags/${key}`, { body: { enabled: true, rules } });
    if (created.status !== 201) throw new Error(created.text);
  }
});
afterAll(() => server.close());

const valuesIn = (flag: { rules: readonly { conditions: readonly object[] }[] }) =>
  flag.rules.map(({ conditions }) =>
    conditions.map(condition => ('value' in condition ? condition.value : undefined)),
  );
const expected = rules.map(({ conditions }) => conditions.map(({ value }) => value));

describe('a large output is complete', () => {
  it.each(['identity', 'gzip', 'br'])('over REST, with the coding %s', async coding => {
    // oxlint-disable-next-line typescript/no-explicit-any -- each assertion has the shape that it expects
    const read = async (path: string): Promise<any> => {
      const response = await fetch(`${url}/api/v1${path}?environment=production`, {
        headers: { ...headers, 'accept-encoding': coding },
      });
      expect(response.headers.get('content-encoding')).toBe(coding === 'identity' ? null : coding);
      expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
      return response.json();
    };
    expect(valuesIn(await read('/flags/a'))).toEqual(expected);
    const { items, nextCursor } = await read('/flags');
    expect([items.map(valuesIn), nextCursor]).toEqual([[expected, expected], null]);
    const exported = await read('/export');
    expect(exported).toMatchObject({ formatVersion: 1, environments: [{ segments: [] }] });
    expect(exported.environments[0].flags.map(valuesIn)).toEqual([expected, expected]);
  });

  it.each([
    ['one call', httpLink],
    ['a batch', httpBatchLink],
    ['a batch that is streamed', httpBatchStreamLink],
  ])('over tRPC, with %s', async (_, link) => {
    const client = createTRPCClient<AppRouter>({ links: [link({ url: `${url}/trpc`, headers })] });
    const [flag, page, small, error] = await Promise.all([
      client.flags.get.query({ environment, key: 'a' }),
      client.flags.list.query({ environment }),
      client.environments.list.query({}),
      client.flags.get.query({ environment, key: 'unknown' }).catch((thrown: unknown) => thrown),
    ]);
    expect(valuesIn(flag)).toEqual(expected);
    expect(page.items.map(valuesIn)).toEqual([expected, expected]);
    expect(small.items).toHaveLength(2);
    expect(error).toMatchObject({ data: { code: 'NOT_FOUND' } });
  });

  it('of a change of several flags', async () => {
    const body = { keys: flags, patch: { description } };
    const { body: changed } = await server.api('PATCH', '/flags', { body });
    expect(changed.items.map(valuesIn)).toEqual([expected, expected]);
    expect(changed).toMatchObject({ changed: flags, etags: { a: expect.any(String) } });
  });
});

describe('subscriptions to flag changes', () => {
  const open = async (lastEventId = '') => {
    const input = encodeURIComponent(JSON.stringify({ environment, lastEventId }));
    const { body } = await fetch(`${url}/trpc/flags.watch?input=${input}`, { headers });
    const events = messagesIn(body ?? new ReadableStream<Uint8Array>());
    return { next: async () => (await events.next()).value, close: () => events.return() };
  };

  it('all receive the same text of a set and of a change', async () => {
    const readers = await Promise.all([open(), open()]);
    const sets = await Promise.all(readers.map(({ next }) => next()));
    expect(sets[0]).toBe(sets[1]);
    const set = JSON.parse(sets[0] ?? '');
    expect(set).toMatchObject({ event: 'set', flagSet: { environment, formatVersion: 1 } });
    expect(valuesIn(set.flagSet.flags.a)).toEqual(expected);
    await server.api('PATCH', '/flags/b', { body: { enabled: false } });
    const changes = await Promise.all(readers.map(({ next }) => next()));
    expect(changes[0]).toBe(changes[1]);
    const { event, change } = JSON.parse(changes[0] ?? '');
    expect([event, change.flags.b.enabled]).toEqual(['change', false]);
    expect(valuesIn(change.flags.b)).toEqual(expected);
    const resumed = await open(change.previous);
    expect(await resumed.next()).toBe(changes[0]);
    for (const { close } of [...readers, resumed]) await close();
  });
});

/** Yields the data of messages, without events of the protocol. */
async function* messagesIn(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let waiting = '';
  for await (const chunk of stream) {
    waiting += decoder.decode(chunk, { stream: true });
    const events = waiting.split('\n\n');
    waiting = events.pop() ?? '';
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data !== undefined && !/^event: /m.test(event)) yield data;
    }
  }
}
