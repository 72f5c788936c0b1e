import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { inject } from 'light-my-request';
import { pino } from 'pino';
import { expect } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import { readConfig } from '../../src/config.ts';
import { secureRandom } from '../../src/random.ts';
import { createServer } from '../../src/server.ts';
import { compileCache, endWithTests } from './process.ts';
import { ADMIN_KEY } from './server.ts';

/** The setting that selects the store. */
type Settings = Readonly<Record<string, string>>;

const SCRIPT = fileURLToPath(new URL('purge-child.ts', import.meta.url));

/** Runs a server that purges. Resolves to its output, or to the signal that ended it. */
const runPurge = async (settings: Settings, kill = ''): Promise<string> => {
  const child = spawn(process.execPath, [SCRIPT], {
    env: { ...compileCache, ...settings, PURGE_KILL: kill },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithTests(child);
  let output = '';
  child.stdout.on('data', chunk => (output += String(chunk)));
  const [, signal] = await once(child, 'close');
  return signal ?? output.trim();
};

/** Runs `work` with requests to a server of this process. */
const withServer = async (
  settings: Settings,
  work: (send: Send) => Promise<void>,
): Promise<void> => {
  const config = readConfig({ ...settings });
  const { limits, signIn } = config;
  const deps = { clock: systemClock, random: secureRandom };
  const server = await createServer({
    ...deps,
    store: await config.store.open({ ...deps, onWarning: () => {} }),
    logger: pino({ level: 'silent' }),
    limits,
    signIn,
    adminKey: ADMIN_KEY,
    firstAdminKey: () => ADMIN_KEY,
  });
  await work(async (method, path, body) => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const url = `/api/v1${path}`;
    const response = await inject(server.handle, { method, url, headers, ...(body && { body }) });
    expect([method, path, response.statusCode < 300]).toEqual([method, path, true]);
    return response.payload === '' ? undefined : response.json();
  });
  await server.close();
};
// Each test asserts the shape that it expects.
// oxlint-disable-next-line typescript/no-explicit-any
type Send = (method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<any>;

/**
 * Deletes environments and purges them, with servers that are killed in the middle and several that purge at
 * once. Each environment must be purged once and completely, and the audit log of its flags must stay.
 */
export const expectPurgedOnce = async (
  settings: Settings,
  { together }: { readonly together: number },
): Promise<void> => {
  const environments = ['one', 'two', 'three'];
  await withServer(settings, async send => {
    for (const key of environments) {
      await send('POST', '/environments', { key });
      await send('POST', `/flags?environment=${key}`, { key: 'f', enabled: true });
      await send('POST', '/keys', { name: 'k', role: 'server', environment: key });
      await send('DELETE', `/environments/${key}?confirm=${key}`);
    }
  });
  expect(await runPurge(settings, 'before')).toBe('SIGKILL');
  expect(await runPurge(settings, 'after')).toBe('SIGKILL');
  const all = await Promise.all(Array.from({ length: together }, async () => runPurge(settings)));
  expect(new Set(all)).toEqual(new Set(['purged']));
  await withServer(settings, async send => {
    const purges = await send('GET', '/audit?environment=*&action=environment.purge');
    const purged = purges.items.map(({ key }: { key: string }) => key);
    expect(purged.toSorted()).toEqual(environments.toSorted());
    expect((await send('GET', '/environments?deleted=true')).items).toEqual([]);
    for (const key of environments)
      expect((await send('GET', `/audit?environment=${key}&flag=f`)).items).toMatchObject([
        { action: 'flag.create', after: { key: 'f' } },
      ]);
  });
};
