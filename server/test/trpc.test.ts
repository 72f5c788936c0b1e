import {
  createTRPCClient,
  httpBatchLink,
  httpSubscriptionLink,
  splitLink,
  TRPCClientError,
} from '@trpc/client';
import { EventSource } from 'eventsource';
import { expect, it } from 'vitest';

import type { AppRouter } from '../src/router/index.ts';
import { ADMIN_KEY, startServer } from './support/server.ts';

/** A client like those of applications: the key is in a header, also of the EventSource. */
const clientOf = (url: string, key: string, seen: string[] = []) => {
  const headers = { authorization: `Bearer ${key}` };
  return createTRPCClient<AppRouter>({
    links: [
      splitLink({
        condition: ({ type }) => type === 'subscription',
        true: httpSubscriptionLink({
          url: `${url}/trpc`,
          EventSource,
          eventSourceOptions: () => ({
            fetch: (input, init) => {
              seen.push(String(input));
              return fetch(input, { ...init, headers: { ...init.headers, ...headers } });
            },
          }),
        }),
        false: httpBatchLink({ url: `${url}/trpc`, headers }),
      }),
    ],
  });
};

const environment = 'production';

it('a typed client manages flags and evaluates them', async () => {
  await using server = await startServer();
  const client = clientOf(await server.listen(), ADMIN_KEY);
  const made = await client.flags.create.mutate({ environment, key: 'f', enabled: true });
  expect(made).toMatchObject({ key: 'f', type: 'boolean', version: 1, etag: expect.any(String) });
  const changed = await client.flags.update.mutate({
    environment,
    key: 'f',
    enabled: false,
    ifMatch: made.etag,
  });
  expect(changed.version).toBe(2);
  const stale = client.flags.update.mutate({
    environment,
    key: 'f',
    enabled: true,
    ifMatch: made.etag,
  });
  await expect(stale).rejects.toSatisfy(
    error =>
      error instanceof TRPCClientError &&
      error.data.error.code === 'PRECONDITION_FAILED' &&
      error.data.httpStatus === 412,
  );
  expect(
    await client.evaluation.evaluate.mutate({ environment, flagKey: 'f', context: {} }),
  ).toEqual({
    flagKey: 'f',
    enabled: false,
    reason: 'DISABLED',
    version: 2,
    environment,
  });
  const all = await client.evaluation.evaluateAll.mutate({ environment, context: {} });
  expect(all).toMatchObject({ revision: 3, evaluations: { f: { reason: 'DISABLED' } } });
  expect((await client.flags.list.query({ environment })).items).toHaveLength(1);
  await client.flags.delete.mutate({ environment, key: 'f' });
});

it('a subscription to flag changes resumes after the last event, and sends no key in URLs', async () => {
  await using server = await startServer();
  const url = await server.listen();
  const seen: string[] = [];
  const client = clientOf(url, ADMIN_KEY, seen);
  const first = await takeFlags(client, 1);
  await server.api('POST', '/flags', { body: { key: 'one', enabled: true } });
  await server.api('POST', '/flags', { body: { key: 'two', enabled: true } });
  const missed = await takeFlags(client, 2, first.lastId);
  expect(missed.messages).toMatchObject([
    { event: 'change', change: { flags: { one: { key: 'one' } } } },
    { event: 'change', change: { flags: { two: { key: 'two' } } } },
  ]);
  const foreign = await takeFlags(client, 1, 'foreign');
  expect(foreign.messages).toMatchObject([{ event: 'set', flagSet: { revision: 3 } }]);
  const exported = (await server.request('GET', '/api/v1/export?environment=production')).body;
  exported.environments[0].flags.pop();
  await server.request('POST', '/api/v1/import?overwrite=true', { body: exported });
  await server.api('PATCH', '/flags/one', { body: { enabled: false } });
  const replaced = await takeFlags(client, 1, missed.lastId);
  expect(replaced.messages).toMatchObject([
    { event: 'set', flagSet: { flags: { one: { enabled: false } } } },
  ]);
  expect(replaced.messages).not.toHaveProperty('0.flagSet.flags.two');
  expect(seen.join()).not.toContain(ADMIN_KEY);
});

it('a subscription to the values of one context receives what changed for it', async () => {
  await using server = await startServer();
  const url = await server.listen();
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true, clientVisible: true } });
  const client = clientOf(url, await server.keyOf('client'));
  const { promise, resolve } = Promise.withResolvers<void>();
  const messages: unknown[] = [];
  const subscription = client.evaluation.watch.subscribe(
    { context: { targetingKey: 'ada' } },
    {
      onData({ data }) {
        messages.push(data);
        if (messages.length === 1)
          void server.api('PATCH', '/flags/f', { body: { enabled: false } });
        else resolve();
      },
    },
  );
  await promise;
  subscription.unsubscribe();
  expect(messages).toMatchObject([
    { event: 'values', revision: 1, evaluations: { f: { variant: 'on' } } },
    { event: 'change', revision: 2, evaluations: { f: { reason: 'DISABLED' } } },
  ]);
});

it('a rejected subscription reports the error code like any other call', async () => {
  await using server = await startServer({ limits: { streams: 1 } });
  const url = await server.listen();
  const watch = (input: object) =>
    fetch(`${url}/trpc/flags.watch?input=${encodeURIComponent(JSON.stringify(input))}`, {
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
    });
  for (const [input, status, code] of [
    [{ environment: 'nowhere' }, 404, 'NOT_FOUND'],
    [{}, 400, 'BAD_REQUEST'],
  ] as const) {
    const text = await (await watch(input)).text();
    expect(text).toContain(`"httpStatus":${status}`);
    expect(text).toContain(`"error":{"code":"${code}"`);
  }
});

const takeFlags = async (
  client: ReturnType<typeof clientOf>,
  count: number,
  lastEventId?: string,
) => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const messages: unknown[] = [];
  let lastId = '';
  const subscription = client.flags.watch.subscribe(
    { environment, lastEventId },
    {
      onData(message) {
        messages.push(message.data);
        lastId = message.id;
        if (messages.length === count) resolve();
      },
      onError: reject,
    },
  );
  await promise;
  subscription.unsubscribe();
  return { messages, lastId };
};
