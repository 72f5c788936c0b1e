import { afterEach, beforeEach } from 'vitest';

import { startServer, type RequestOptions, type TestServer } from '../support/server.ts';

export const NOW = '2026-01-01T00:00:00.000Z';
const managed = { version: 1, createdAt: NOW, updatedAt: NOW };

type Definition = { readonly key: string; readonly [field: string]: unknown };

const environmentOf = (flags: readonly Definition[], segments: readonly Definition[]) => ({
  key: 'production',
  createdAt: NOW,
  flags: flags.map(flag => ({
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    seed: flag.key,
    clientVisible: false,
    rules: [],
    metadata: {},
    ...managed,
    ...flag,
  })),
  segments: segments.map(segment => ({ ...managed, ...segment })),
});

/** Starts a server for each test of a file. Returns what the tests of flagd send to it. */
export const useServer = () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(() => server.close());

  const request = (method: 'GET' | 'POST' | 'PATCH', path: string, options?: RequestOptions) =>
    server.request(method, path, options);

  return {
    request,
    keyOf: (role: 'server' | 'client' | 'admin', environment?: string) =>
      server.keyOf(role, environment),

    importFile: (file: unknown, query = 'environment=production&overwrite=true') =>
      request('POST', `/api/v1/import?${query}`, { body: file }),

    /** Replaces all flags and segments of the environment production. */
    replaceAll: async (flags: readonly Definition[], segments: readonly Definition[] = []) => {
      const { status, text } = await request('POST', '/api/v1/import?overwrite=true', {
        body: { formatVersion: 1, environments: [environmentOf(flags, segments)] },
      });
      if (status !== 200) throw new Error(text);
    },

    readDocument: async () =>
      (await request('GET', '/flagd/v1/flags.json?environment=production')).text,

    flagSetOf: async (environment = 'production') =>
      (await request('GET', `/api/v1/flag-set?environment=${environment}`)).body,
  };
};
