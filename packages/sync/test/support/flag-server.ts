import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startProcess } from '../../../../server/test/support/process.ts';

/** A real server in its own process, with its own data directory. */
export type FlagServer = {
  readonly url: () => string;
  /** An admin key of all environments. */
  readonly adminKey: string;
  /** Calls the API with the admin key and returns the parsed response. A string body is sent as it is. */
  api(method: string, route: string, body?: object | string): Promise<unknown>;
  /** Creates a key for the environment `production`. */
  createKey(
    role: 'server' | 'client' | 'viewer',
  ): Promise<{ readonly id: string; readonly secret: string }>;
  /** Creates a flag, or replaces it. */
  putFlag(key: string, flag: object): Promise<void>;
  /** Kills the process, as a power cut would. */
  kill(): Promise<void>;
  /** Starts again with the same data, on another port. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

const ADMIN_KEY = 'an-admin-key-of-24-characters-or-more';
const ENVIRONMENT = 'environment=production';

const isCreatedKey = (value: unknown): value is { id: string; secret: string } =>
  typeof value === 'object' && value !== null && 'id' in value && 'secret' in value;

/** Starts a server, and resolves when it is listening. */
export const startFlagServer = async (): Promise<FlagServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'pennon-sync-'));
  const env = {
    PENNON_DATA: join(directory, 'data'),
    PENNON_ADMIN_KEY: ADMIN_KEY,
    LOG_LEVEL: 'fatal',
    PENNON_RATE_LIMIT: '0',
  };
  let running = await startProcess({ env });

  const api = async (method: string, route: string, body?: object | string): Promise<unknown> => {
    const response = await fetch(`${running.url}/api/v1/${route}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: typeof body === 'object' ? JSON.stringify(body) : (body ?? null),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${method} ${route} responded with ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };

  return {
    url: () => running.url,
    adminKey: ADMIN_KEY,
    api,
    async createKey(role) {
      const key = await api('POST', 'keys', {
        name: `a ${role} key`,
        role,
        environment: 'production',
      });
      if (!isCreatedKey(key)) throw new Error('no key was created');
      return key;
    },
    async putFlag(key, flag) {
      const body = { key, enabled: true, ...flag };
      await api('PUT', `flags/${key}?${ENVIRONMENT}`, body);
    },
    async kill() {
      await running.stop('SIGKILL');
    },
    async restart() {
      running = await startProcess({ env });
    },
    async close() {
      await running.stop();
      await rm(directory, { recursive: true });
    },
  };
};
