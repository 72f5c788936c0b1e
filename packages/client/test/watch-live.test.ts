import { afterEach, beforeEach, expect, it } from 'vitest';

import type { TestServer } from '../../../server/test/support/server.ts';
import { ADMIN_KEY, startServer } from '../../../server/test/support/server.ts';
import { createApiClient, isApiError } from '../src/index.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const production = { environment: 'production' };

it('a watch of values first receives all values, then the changed ones', async () => {
  const url = await server.listen();
  const api = createApiClient({ url, key: ADMIN_KEY });
  await api.flags.create.mutate({ ...production, key: 'banner', enabled: true });
  const events: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const watch = api.evaluation.watch.subscribe(
    { ...production, context: { targetingKey: 'ada' } },
    {
      onData({ data }) {
        events.push({ event: data.event, enabled: data.evaluations['banner']?.enabled });
        if (events.length === 2) done.resolve();
        else void api.flags.update.mutate({ ...production, key: 'banner', enabled: false });
      },
      onError: done.reject,
    },
  );
  await done.promise;
  watch.unsubscribe();
  expect(events).toEqual([
    { event: 'values', enabled: true },
    { event: 'change', enabled: false },
  ]);
});

it('a watch ends with UNAUTHORIZED when its key is revoked', async () => {
  const url = await server.listen();
  const admin = createApiClient({ url, key: ADMIN_KEY });
  const key = await admin.keys.create.mutate({ name: 'page', role: 'client', ...production });
  const ended = Promise.withResolvers<unknown>();
  createApiClient({ url, key: key.secret }).evaluation.watch.subscribe(
    { context: {} },
    {
      onData: () => void admin.keys.delete.mutate({ id: key.id }),
      onError: ended.resolve,
    },
  );
  expect(isApiError(await ended.promise, 'UNAUTHORIZED')).toBe(true);
});
