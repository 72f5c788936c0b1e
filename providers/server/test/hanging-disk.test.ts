import { expect, it, vi } from 'vitest';

import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

/** A disk that never responds, such as that of a network whose server is away. */
vi.mock('node:fs/promises', async importOriginal => ({
  ...(await importOriginal<object>()),
  mkdir: () => new Promise(() => undefined),
  stat: (path: string) =>
    path.startsWith('/hangs-on-read')
      ? new Promise(() => undefined)
      : Promise.reject(Object.assign(new Error('ENOENT'), { code: 'ENOENT' })),
}));

const flags = { f: booleanFlag('f', true) };

it('closing does not wait longer than a second for a disk that hangs', async () => {
  const server = startFakeServer(flags);
  const { client, provider } = await startOn(server, { cacheFile: '/hangs/flags.json' });
  expect(await client.getBooleanValue('f', false)).toBe(true);
  let isClosed = false;
  const closing = provider.onClose().then(() => (isClosed = true));
  await server.advance(999);
  expect(isClosed).toBe(false);
  await server.advance(1);
  await closing;
  expect([server.timers(), server.openStreams()]).toEqual([0, 0]);
});

it('a start does not wait longer than a second for a disk that hangs', async () => {
  const server = startFakeServer(flags);
  const { client, provider, started } = openOn(server, { cacheFile: '/hangs-on-read/flags.json' });
  await server.advance(1_000);
  expect(await started).toBe('ok');
  expect(await client.getBooleanValue('f', false)).toBe(true);
  expect(provider.freshness().lastError?.message).toBe(
    'the option "cacheFile" has no effect: reading it took longer than 1 s',
  );
  const closing = provider.onClose();
  await server.advance(1_000);
  await closing;
});
