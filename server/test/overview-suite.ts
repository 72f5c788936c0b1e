import { createTRPCClient, httpSubscriptionLink } from '@trpc/client';
import { EventSource } from 'eventsource';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { AppRouter } from '../src/router/index.ts';
import type { Store } from '../src/store/store.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

/** Collects the messages of `flags.watchOverview`. */
const watch = (url: string, { key = ADMIN_KEY, lastEventId }: WatchOptions = {}) => {
  const client = createTRPCClient<AppRouter>({
    links: [
      httpSubscriptionLink({
        url: `${url}/trpc`,
        EventSource,
        eventSourceOptions: {
          fetch: (input, init) =>
            fetch(input, {
              ...init,
              headers: { ...init.headers, authorization: `Bearer ${key}` },
            }),
        },
      }),
    ],
  });
  const messages: unknown[] = [];
  let wake: () => void = () => undefined;
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const subscription = client.flags.watchOverview.subscribe(
    { lastEventId },
    {
      onStarted: () => started.resolve(),
      onData: ({ data }) => {
        messages.push(data);
        wake();
      },
      onComplete: ended.resolve,
      onError: ended.reject,
    },
  );
  const next = async (): Promise<unknown> => {
    while (messages.length === 0)
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    return messages.shift();
  };
  return {
    started: started.promise,
    ended: ended.promise,
    next,
    close: () => subscription.unsubscribe(),
  };
};

type WatchOptions = { readonly key?: string; readonly lastEventId?: string };

/** Tests the flags of all environments side by side. `openStore` opens an empty store. */
export const describeOverview = (name: string, openStore: () => Store | Promise<Store>): void => {
  describe(`an overview with ${name}`, () => {
    let server: TestServer;
    let url: string;
    beforeEach(async () => {
      server = await startServer({ store: await openStore(), limits: { requestsPerSecond: 0 } });
      url = await server.listen();
      await request('POST', '/environments', { key: 'staging' });
      await create('production', {
        key: 'checkout',
        name: 'Checkout',
        owner: 'ada',
        tags: ['web'],
      });
    });
    afterEach(() => server.close());

    const request = async (
      method: 'POST' | 'PATCH' | 'DELETE' | 'PUT',
      path: string,
      body?: object,
    ) => {
      const response = await server.request(method, `/api/v1${path}`, { body });
      if (response.status >= 300) throw new Error(response.text);
      return response.body;
    };
    const create = (environment: string, flag: object) =>
      request('POST', `/flags?environment=${environment}`, { enabled: true, ...flag });
    const read = async (key = ADMIN_KEY, headers = {}) =>
      server.request('GET', '/api/v1/overview', { key, headers });
    const cell = (fields: object) => ({
      enabled: true,
      rules: 0,
      serves: { variant: 'off' },
      version: 1,
      updatedAt: expect.any(String),
      lastEvaluated: null,
      ...fields,
    });

    it('has each flag once, with what it serves in each environment', async () => {
      await create('staging', { key: 'checkout', name: 'Other', enabled: false });
      await create('staging', {
        key: 'a-split',
        type: 'string',
        variants: { x: 'x', y: 'y' },
        defaultVariant: null,
        rules: [
          { attribute: 'plan', operator: 'equals', value: 'pro', variant: 'x' },
          {
            percentage: 10,
            split: [
              { variant: 'x', weight: 1 },
              { variant: 'y', weight: 3 },
            ],
          },
        ],
      });
      await create('production', {
        key: 'z',
        type: 'string',
        variants: { x: 'x' },
        defaultVariant: null,
      });
      const { status, body } = await read();
      expect([status, body.environments.map(({ key }: { key: string }) => key)]).toEqual([
        200,
        ['development', 'production', 'staging'],
      ]);
      expect(body.revisions).toEqual({ development: 1, production: 3, staging: 3 });
      expect(body.flags).toEqual([
        {
          key: 'a-split',
          name: null,
          type: 'string',
          tags: [],
          owner: null,
          cells: {
            development: null,
            production: null,
            staging: cell({
              rules: 2,
              percentage: 10,
              serves: {
                split: [
                  { variant: 'x', weight: 1 },
                  { variant: 'y', weight: 3 },
                ],
              },
            }),
          },
        },
        {
          key: 'checkout',
          name: 'Checkout',
          type: 'boolean',
          tags: ['web'],
          owner: 'ada',
          cells: {
            development: null,
            production: cell({ serves: { variant: expect.any(String) } }),
            staging: cell({ enabled: false, serves: null }),
          },
        },
        expect.objectContaining({
          key: 'z',
          cells: expect.objectContaining({ production: cell({ serves: null }) }),
        }),
      ]);
    });

    it('has only the environment of a key, and is not for servers and clients', async () => {
      await create('staging', { key: 'hidden' });
      const own = await read(await server.keyOf('viewer'));
      expect(own.body.environments).toMatchObject([{ key: 'production' }]);
      expect(own.body.revisions).toEqual({ production: 2 });
      expect(own.body.flags).toMatchObject([{ key: 'checkout' }]);
      expect(Object.keys(own.body.flags[0].cells)).toEqual(['production']);
      expect(own.text).not.toMatch(/staging|hidden/);
      for (const role of ['server', 'client'] as const)
        expect((await read(await server.keyOf(role))).status).toBe(403);
    });

    it('has an entity tag that differs after each change, and only then', async () => {
      const before = await read();
      const { etag } = before.headers;
      const conditional = { 'if-none-match': String(etag) };
      const same = await read(ADMIN_KEY, conditional);
      expect([same.status, same.text, same.headers['etag']]).toEqual([304, '', etag]);
      await request('PATCH', '/flags/checkout?environment=production', { enabled: false });
      const after = await read(ADMIN_KEY, conditional);
      expect([after.status, after.headers['etag'] === etag]).toEqual([200, false]);
      expect(after.body.flags[0].cells.production).toMatchObject({ enabled: false, version: 2 });
    });

    it('is followed by the rows that change, in every environment', async () => {
      const { etag } = (await read()).headers;
      const following = watch(url, { lastEventId: String(etag) });
      await following.started;
      await request('PATCH', '/flags/checkout?environment=production', { enabled: false });
      expect(await following.next()).toMatchObject({
        event: 'change',
        revisions: { production: 3 },
        flags: {
          checkout: { key: 'checkout', cells: { production: { enabled: false }, staging: null } },
        },
      });
      await create('staging', { key: 'new' });
      const created = await following.next();
      expect(created).toMatchObject({ flags: { new: { cells: { staging: { enabled: true } } } } });
      const current = await read();
      expect(created).toMatchObject({ etag: current.headers['etag'] });
      expect(created).toHaveProperty('flags.new', current.body.flags[1]);
      await request('DELETE', '/flags/new?environment=staging');
      expect(await following.next()).toMatchObject({ event: 'change', flags: { new: null } });
      following.close();
    });

    it('is read again if it is not current, or if it changes as a whole', async () => {
      const old = String((await read()).headers['etag']);
      await create('staging', { key: 'new' });
      const behind = watch(url, { lastEventId: old });
      expect(await behind.next()).toMatchObject({ event: 'reload' });
      await behind.ended;
      const environmentCreated = watch(url);
      await environmentCreated.started;
      await request('POST', '/environments', { key: 'qa' });
      const reload = await environmentCreated.next();
      expect(reload).toEqual({ event: 'reload', etag: (await read()).headers['etag'] });
      await environmentCreated.ended;
      const imported = watch(url);
      await imported.started;
      const exported = await server.request('GET', '/api/v1/export?environment=staging');
      exported.body.environments[0].flags.pop();
      await request('POST', '/import?overwrite=true', exported.body);
      expect(await imported.next()).toMatchObject({ event: 'reload' });
    });

    it('has the environments in their order, and is read again after a change of one', async () => {
      const following = watch(url);
      await following.started;
      const fields = { name: 'Staging', color: 'orange', order: 1, confirm: true };
      await request('PATCH', '/environments/staging', fields);
      expect(await following.next()).toMatchObject({ event: 'reload' });
      await request('PATCH', '/environments/production', { order: 0 });
      expect((await read()).body.environments).toMatchObject([
        { key: 'production' },
        { key: 'staging', ...fields },
        { key: 'development' },
      ]);
    });

    it('is followed with the environment of a key only, and until the key is revoked', async () => {
      const key = await server.keyOf('viewer');
      const following = watch(url, { key });
      await following.started;
      await create('staging', { key: 'hidden' });
      await request('PATCH', '/flags/checkout?environment=production', { owner: 'grace' });
      expect(await following.next()).toEqual({
        event: 'change',
        etag: expect.any(String),
        revisions: { production: 3 },
        flags: {
          checkout: expect.objectContaining({
            owner: 'grace',
            cells: { production: expect.anything() },
          }),
        },
      });
      const { items } = (await server.request('GET', '/api/v1/keys')).body;
      const { id } = items.find(({ role }: { role: string }) => role === 'viewer');
      await request('DELETE', `/keys/${id}`);
      await following.ended;
    });
  });
};
