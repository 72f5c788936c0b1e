import {
  createServer,
  openMemoryStore,
  readConfig,
  secureRandom,
  type Clock,
  type ServerOptions,
} from '@pennon/server';
import { pino } from 'pino';
import { z } from 'zod';

const KEY = 'the-admin-key-of-a-benchmark';
const ENVIRONMENT = 'environment=production';

const Secret = z.object({ secret: z.string() });

/** A server in this process, on a clock of its own, that is reached by HTTP. */
export type CompressedServer = {
  readonly url: string;
  readonly clock: Clock;
  /** Sends a request as the administrator. Throws unless it succeeds. */
  readonly api: (method: string, path: string, body?: object) => Promise<unknown>;
  readonly createKey: (role: 'server' | 'client') => Promise<string>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type Options = Pick<ServerOptions, 'clock'> &
  Partial<Pick<ServerOptions, 'store' | 'momentsSource'>>;

export const startCompressed = async ({
  clock,
  store = openMemoryStore({ random: secureRandom }),
  momentsSource,
}: Options): Promise<CompressedServer> => {
  const { limits, signIn } = readConfig({ PENNON_RATE_LIMIT: '0' });
  const server = await createServer({
    store,
    clock,
    random: secureRandom,
    logger: pino({ level: 'silent' }),
    limits,
    signIn,
    adminKey: KEY,
    momentsSource,
    firstAdminKey: () => KEY,
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const request = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${KEY}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    url,
    clock,
    api: (method, path, body) => request(method, `${path}?${ENVIRONMENT}`, body),
    async createKey(role) {
      const body = { name: role, role, environment: 'production' };
      return Secret.parse(await request('POST', '/keys', body)).secret;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
};
