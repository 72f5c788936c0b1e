import { pino } from 'pino';

import type { Role } from '@pennon/schema';

import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/clock.ts';
import type { Limits } from '../../src/config.ts';
import { readConfig } from '../../src/config.ts';
import { secureRandom } from '../../src/random.ts';
import type { Server } from '../../src/server.ts';
import { createServer } from '../../src/server.ts';
import { openMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';

export const ADMIN_KEY = 'test-admin-key-0123456789abcdef';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'HEAD';

export type Ask = {
  readonly key?: string | null;
  readonly body?: unknown;
  /** A body as it is, in place of `body`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  /** The body as JSON; undefined where there is none. */
  // A test says what it expects of an answer.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
  readonly text: string;
};

export type TestServer = {
  /** Asks without a socket, as the admin unless `key` says otherwise (null: without a key). */
  ask(method: Method, path: string, ask?: Ask): Promise<Answer>;
  /** The same under /api/v1, in the environment `production`. */
  api(method: Method, path: string, ask?: Ask): Promise<Answer>;
  keyOf(role: Role, environment?: string, more?: object): Promise<string>;
  /** Listens on a free port of the loopback interface. */
  listen(): Promise<string>;
  readonly routes: Server['routes'];
  readonly logs: () => string;
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** Starts a server on its own memory store. */
export const startServer = async (
  given: {
    clock?: Clock;
    limits?: Partial<Limits>;
    adminKey?: string;
    /** The store as the server sees it. */
    through?: (store: Store) => Store;
  } = {},
): Promise<TestServer> => {
  const lines: string[] = [];
  const server = await createServer({
    store: (given.through ?? (store => store))(openMemoryStore({ random: secureRandom })),
    clock: given.clock ?? systemClock,
    random: secureRandom,
    logger: pino({ level: 'debug' }, { write: line => lines.push(line) }),
    limits: { ...readConfig({}).limits, ...given.limits },
    adminKey: given.adminKey ?? ADMIN_KEY,
    firstAdminKey: () => ADMIN_KEY,
  });

  const ask: TestServer['ask'] = async (method, path, { key, body, text, headers } = {}) => {
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await server.inject({
      method,
      url: path,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key ?? ADMIN_KEY}` }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload }),
    });
    return {
      status: response.statusCode,
      headers: response.headers,
      body:
        response.payload !== '' && isJson(response.headers['content-type'])
          ? response.json()
          : undefined,
      text: response.payload,
    };
  };
  const api: TestServer['api'] = (method, path, asked) =>
    ask(method, `/api/v1${path}${path.includes('?') ? '&' : '?'}environment=production`, asked);
  const close = () => server.close();

  return {
    ask,
    api,
    async keyOf(role, environment = 'production', more = {}) {
      const name = `${role} of ${environment}`;
      const made = await ask('POST', '/api/v1/keys', {
        body: { name, role, environment, ...more },
      });
      if (made.status !== 201) throw new Error(made.text);
      return made.body.secret;
    },
    listen: () => server.listen({ host: '127.0.0.1', port: 0 }),
    routes: server.routes,
    logs: () => lines.join(''),
    close,
    [Symbol.asyncDispose]: close,
  };
};

const isJson = (type: unknown): boolean => String(type).startsWith('application/json');
