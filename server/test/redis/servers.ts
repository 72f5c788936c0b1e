import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startProcess, type ServerProcess } from '../support/process.ts';

export const ADMIN_KEY = 'test-admin-key-0123456789abcdef';

export type RedisServer = ServerProcess & {
  /** Sends an HTTP request, with the admin key unless `key` is given. */
  request(method: string, path: string, options?: RequestOptions): Promise<TestResponse>;
};

type RequestOptions = {
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
};

export type TestResponse = {
  readonly status: number;
  readonly headers: Headers;
  // Tests assert the shape of the body.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
  readonly text: string;
};

/** Data directories, removed together after the tests. */
const directories: string[] = [];
export const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-data-'));
  directories.push(directory);
  return directory;
};
export const removeDirectories = (): void => {
  for (const directory of directories.splice(0))
    rmSync(directory, { recursive: true, force: true });
};

/** Starts a server process on this Redis, `under` a command if there is one. */
export const startServerOn = async (
  url: string,
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Promise<RedisServer> => {
  const process = await startProcess({
    under,
    env: {
      REDIS_URL: url,
      PENNON_ADMIN_KEY: ADMIN_KEY,
      PENNON_DATA: newDirectory(),
      LOG_LEVEL: 'warn',
      // Otherwise each first start waits for servers that have earlier data.
      PENNON_INIT: 'empty',
      ...env,
    },
  });
  return {
    ...process,
    request: (method, path, options) => request(process.url, method, path, options),
  };
};

export const request = async (
  url: string,
  method: string,
  path: string,
  { key = ADMIN_KEY, body, headers = {}, signal }: RequestOptions = {},
): Promise<TestResponse> => {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: response.status,
    headers: response.headers,
    body: json ? JSON.parse(text) : text,
    text,
  };
};

export const production = (path: string): string =>
  `/api/v1${path}${path.includes('?') ? '&' : '?'}environment=production`;
