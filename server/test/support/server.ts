import { inject } from 'light-my-request';
import { pino } from 'pino';

import type { Role } from '@pennon/schema';

import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/clock.ts';
import type { Limits, SignInSettings } from '../../src/config.ts';
import { readConfig } from '../../src/config.ts';
import type { MomentsSource } from '../../src/experiments/moments.ts';
import type { ConsoleSource } from '../../src/http/console.ts';
import type { ListenAddress } from '../../src/http/listeners.ts';
import { secureRandom } from '../../src/random.ts';
import type { Server } from '../../src/server.ts';
import { createServer } from '../../src/server.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';

export const ADMIN_KEY = 'test-admin-key-0123456789abcdef';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'HEAD';

export type RequestOptions = {
  /** The admin key if it is undefined; null sends none. */
  readonly key?: string | null;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type TestResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  /** The body as JSON, or undefined if it is not JSON. */
  // Each test asserts the shape that it expects.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
  readonly text: string;
};

export type TestServer = {
  /** Sends a request without a socket. */
  request(method: Method, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** Sends a request under /api/v1, in the environment `production`. */
  api(method: Method, path: string, options?: RequestOptions): Promise<TestResponse>;
  /** Creates a key and returns its secret. */
  keyOf(role: Role, environment?: string, fields?: object): Promise<string>;
  /** Listens on a free port of the loopback interface, or elsewhere. */
  listen(address?: Partial<ListenAddress>): Promise<string>;
  readonly routes: Server['routes'];
  readonly logs: () => string;
  readonly close: Server['close'];
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type ServerSetup = {
  readonly clock?: Clock;
  readonly limits?: Partial<Limits>;
  readonly signIn?: Partial<SignInSettings>;
  readonly adminKey?: string;
  readonly basePath?: string;
  readonly keepsUnits?: boolean;
  /** Whether the server behaves as if its store could be cut off. */
  readonly isStoreShared?: boolean;
  /** What the server serves at `/`; nothing by default. */
  readonly console?: ConsoleSource;
  /** Where the results of experiments come from. */
  readonly momentsSource?: MomentsSource;
  /** A memory store if it is undefined. The server closes it. */
  readonly store?: Store;
  /** Wraps the store that the server uses. */
  readonly wrapStore?: (store: Store) => Store;
};

/** Starts a server in this process. */
export const startServer = async ({
  clock = systemClock,
  limits,
  signIn,
  adminKey = ADMIN_KEY,
  basePath = '',
  keepsUnits = false,
  isStoreShared = false,
  console,
  momentsSource,
  store = openMemoryStore({ random: secureRandom }),
  wrapStore = each => each,
}: ServerSetup = {}): Promise<TestServer> => {
  const lines: string[] = [];
  const server = await createServer({
    store: wrapStore(store),
    clock,
    random: secureRandom,
    logger: pino({ level: 'debug' }, { write: line => lines.push(line) }),
    limits: { ...readConfig({}).limits, ...limits },
    signIn: { ...readConfig({}).signIn, ...signIn },
    adminKey,
    basePath,
    keepsUnits,
    isStoreShared,
    console,
    momentsSource,
    firstAdminKey: () => ADMIN_KEY,
  });
  const request = requestTo(server);
  return {
    request,
    api: (method, path, options) =>
      request(
        method,
        `/api/v1${path}${path.includes('?') ? '&' : '?'}environment=production`,
        options,
      ),
    async keyOf(role, environment = 'production', fields = {}) {
      const name = `${role} of ${environment}`;
      const body = { name, role, environment, ...fields };
      const created = await request('POST', '/api/v1/keys', { body });
      if (created.status !== 201) throw new Error(created.text);
      return created.body.secret;
    },
    listen: address => server.listen({ host: '127.0.0.1', port: 0, ...address }),
    routes: server.routes,
    logs: () => lines.join(''),
    close: graceMs => server.close(graceMs),
    [Symbol.asyncDispose]: () => server.close(),
  };
};

const requestTo =
  ({ handle }: Server): TestServer['request'] =>
  async (method, path, { key = ADMIN_KEY, body, text, headers } = {}) => {
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await inject(handle, {
      method,
      url: path,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload }),
    });
    const isJson = String(response.headers['content-type']).startsWith('application/json');
    return {
      status: response.statusCode,
      headers: response.headers,
      body: response.payload !== '' && isJson ? response.json() : undefined,
      text: response.payload,
    };
  };
