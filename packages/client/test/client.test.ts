import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from '../../../server/test/support/server.ts';
import { ADMIN_KEY, startServer } from '../../../server/test/support/server.ts';
import type { ApiClient } from '../src/index.ts';
import { createApiClient, isApiError } from '../src/index.ts';

import { nameInError, readConnectionCases, refusal } from '../../sync/test/support/options.ts';

let server: TestServer;
let url: string;
let api: ApiClient;
const requests: Request[] = [];

/** The real `fetch`, which also records its requests. */
const recordingFetch: typeof fetch = (input, init) => {
  requests.push(new Request(input, init));
  return fetch(input, init);
};

beforeAll(async () => {
  server = await startServer();
  url = await server.listen();
  api = createApiClient({ url, key: ADMIN_KEY, fetch: recordingFetch });
});
afterAll(() => server.close());

const production = { environment: 'production' };
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('the typed client', () => {
  it('creates, lists, reads, evaluates and deletes a flag', async () => {
    await api.flags.create.mutate({ ...production, key: 'client-flag', enabled: true });
    const { items } = await api.flags.list.query({ ...production, search: 'client-flag' });
    expect(items.map(({ key }) => key)).toEqual(['client-flag']);
    const flag = await api.flags.get.query({ ...production, key: 'client-flag' });
    expect(flag).toMatchObject({ type: 'boolean', defaultVariant: 'on' });
    const context = { targetingKey: 'ada' };
    const evaluation = await api.evaluation.evaluate.mutate({
      ...production,
      flagKey: flag.key,
      context,
    });
    expect(evaluation).toMatchObject({ reason: 'STATIC', value: true });
    await api.flags.delete.mutate({ ...production, key: 'client-flag', ifMatch: flag.etag });
    expect(
      isApiError(await failureOf(api.flags.get.query({ ...production, key: 'client-flag' }))),
    ).toBe(true);
  });

  it('sends a comment with every change, or with one of them', async () => {
    const options = { url, key: ADMIN_KEY };
    const commenting = createApiClient({ ...options, comment: 'Größe 😀' });
    const key = 'commented';
    await commenting.flags.create.mutate({ ...production, key, enabled: true });
    const context = { comment: 'OPS-17\nsecond line' };
    await api.flags.update.mutate({ ...production, key, enabled: false }, { context });
    await api.flags.delete.mutate({ ...production, key });
    const { items } = await api.audit.list.query({ ...production, flag: key });
    expect(items.map(({ comment }) => comment)).toEqual([
      undefined,
      'OPS-17 second line',
      'Größe 😀',
    ]);
    const versions = await api.flags.listVersions.query({ ...production, key });
    expect(versions.items.map(({ comment }) => comment)).toEqual([
      'OPS-17 second line',
      'Größe 😀',
    ]);
    const reverted = await api.flags.revert.mutate({ ...production, key, version: 1 });
    expect([reverted.version, reverted.enabled]).toEqual([3, true]);
  });

  it('batches queries of one tick, up to the batch size that the server accepts', async () => {
    requests.length = 0;
    await Promise.all(Array.from({ length: 45 }, () => api.environments.list.query({})));
    expect(requests).toHaveLength(3);
  });

  it('sends each mutation in a request of its own', async () => {
    requests.length = 0;
    const context = {};
    await Promise.all([
      api.evaluation.evaluateAll.mutate({ ...production, context }),
      api.evaluation.evaluateAll.mutate({ ...production, context }),
    ]);
    expect(requests).toHaveLength(2);
  });

  it('sends the key in a header and never in a URL', async () => {
    requests.length = 0;
    await api.environments.list.query({});
    await api.evaluation.evaluateAll.mutate({ ...production, context: {} });
    await firstEvent(api);
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual(
      requests.map(() => `Bearer ${ADMIN_KEY}`),
    );
    expect(requests.filter(request => request.url.includes(ADMIN_KEY))).toEqual([]);
    expect(requests).toHaveLength(3);
  });

  it('works if the URL has a path, with or without a slash at its end', async () => {
    const seen: string[] = [];
    const toServer: typeof fetch = (input, init) => {
      const requested = new Request(input).url;
      seen.push(requested);
      return fetch(requested.replace('http://proxy.example/flags', url), init);
    };
    for (const base of ['http://proxy.example/flags', 'http://proxy.example/flags/']) {
      await createApiClient({ url: base, key: ADMIN_KEY, fetch: toServer }).environments.list.query(
        {},
      );
    }
    expect(seen[0]).toMatch(/^http:\/\/proxy\.example\/flags\/trpc\/environments\.list\?/);
    expect(seen[1]).toBe(seen[0]);
  });

  it.each(readConnectionCases(['url', 'key']))('has the option: $name', ({ options, refused }) => {
    const message = refusal(() => Reflect.apply(createApiClient, undefined, [options]));
    if (refused === undefined) return expect(message).toBeUndefined();
    expect(message).toContain(`${nameInError(refused)} must be `);
    expect(message).not.toContain('s3cret');
  });

  it.each<[name: string, value: unknown]>([
    ['key', null],
    ['url', undefined],
    ['comment', 5],
    ['comment', null],
    ['comment', 's3cret'.repeat(100)],
    ['comment', 's3cret\0'],
    ['fetch', 's3cret'],
    ['fetch', null],
  ])('refuses the option %s with the value %j, without repeating it', (name, value) => {
    const options = { url, key: ADMIN_KEY, [name]: value };
    const message = refusal(() => Reflect.apply(createApiClient, undefined, [options]));
    expect(message).toMatch(new RegExp(`^"${name}" must be `));
    expect(message).not.toContain('s3cret');
  });

  it('refuses to have no options', () => {
    const create = () => Reflect.apply(createApiClient, undefined, []);
    expect(create).toThrow('pass an object with "url" and "key"');
  });

  it('refuses an option that it does not have', () => {
    const options = { url, key: ADMIN_KEY, timeout: 5 };
    expect(() => createApiClient(options)).toThrow(
      'there is no option "timeout"; the options are url, key, comment, fetch',
    );
  });
});

it.each([
  ['url', { url: 'http://flags.test/trpc' }],
  ['url', { url: 'http://flags.test/base/trpc/' }],
  ['comment', { comment: '' }],
  ['comment', { comment: ' \n' }],
])('an option "%s" that can never work is refused: %j', (name, options) => {
  const message = refusal(() => createApiClient({ url, key: ADMIN_KEY, ...options }));
  expect(message).toContain(nameInError(name));
});

const firstEvent = (client: ApiClient): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const watch = client.flags.watch.subscribe(production, {
      onData(event) {
        watch.unsubscribe();
        resolve(event.data);
      },
      onError: reject,
    });
  });

describe('errors', () => {
  it('narrow by code, with a message and details', async () => {
    const error = await failureOf(
      api.flags.create.mutate({
        ...production,
        key: 'wrong',
        enabled: true,
        type: 'string',
        variants: { a: 'a' },
        defaultVariant: 'b',
      }),
    );
    if (!isApiError(error, 'BAD_REQUEST')) throw error;
    expect(error.data.error).toEqual({
      code: 'BAD_REQUEST',
      message: expect.stringContaining('defaultVariant'),
      details: [{ path: 'defaultVariant', message: expect.any(String) }],
    });
  });

  it('do not match another code', async () => {
    const error = await failureOf(api.flags.get.query({ ...production, key: 'none' }));
    expect(isApiError(error)).toBe(true);
    expect(isApiError(error, 'NOT_FOUND')).toBe(true);
    expect(isApiError(error, 'CONFLICT', 'NOT_FOUND')).toBe(true);
    expect(isApiError(error, 'CONFLICT')).toBe(false);
  });

  it('of the network are not API errors', async () => {
    const broken = () => Promise.reject(new TypeError('fetch failed'));
    const alone = createApiClient({ url, key: ADMIN_KEY, fetch: broken });
    const error = await failureOf(alone.environments.list.query({}));
    expect(error).toBeInstanceOf(Error);
    expect(isApiError(error)).toBe(false);
  });

  it('of an evaluation have the code of OpenFeature', async () => {
    const error = await failureOf(
      api.evaluation.evaluate.mutate({ ...production, flagKey: 'none', context: {} }),
    );
    expect(isApiError(error, 'FLAG_NOT_FOUND')).toBe(true);
  });
});
