import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startProcess } from '../../../../server/test/support/process.ts';

/** A real server, as a process of its own on data of its own. */
export type FlagServer = {
  readonly url: () => string;
  /** Of all environments. */
  readonly adminKey: string;
  /** Calls the API as the admin and answers what it answers. A body of text is JSON already. */
  api(method: string, route: string, body?: object | string): Promise<unknown>;
  /** A new key for the environment `production`. */
  createKey(
    role: 'server' | 'client' | 'viewer',
  ): Promise<{ readonly id: string; readonly secret: string }>;
  /** Creates a flag, or replaces it. */
  putFlag(key: string, flag: object): Promise<void>;
  /** Ends as by a power cut. */
  kill(): Promise<void>;
  /** Starts again on the same data, at another port. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

const ADMIN_KEY = 'an-admin-key-of-24-characters-or-more';
const ENVIRONMENT = 'environment=production';

const isCreatedKey = (value: unknown): value is { id: string; secret: string } =>
  typeof value === 'object' && value !== null && 'id' in value && 'secret' in value;

/** Starts the server and resolves once it listens. */
export const startFlagServer = async (): Promise<FlagServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'pennon-follow-'));
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
    if (!response.ok) throw new Error(`${method} ${route} answered ${response.status}: ${text}`);
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
      await api('PUT', `flags/${key}?${ENVIRONMENT}`, body).catch(() =>
        api('POST', `flags?${ENVIRONMENT}`, body),
      );
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
