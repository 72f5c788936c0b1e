import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { afterAll, expect, it } from 'vitest';

import { eventually } from './processes.ts';
import { production, startServerOn } from './servers.ts';
import { useRedis } from './setup.ts';

const STREAMS = 5_000;
/** A busy machine takes long to connect so many. */
const CONNECTED_MS = 200_000;

const redis = useRedis();
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
});

const start = (file: string, args: readonly string[]): ChildProcess => {
  const child = fork(new URL(`storm/${file}`, import.meta.url), [...args]);
  children.push(child);
  return child;
};

type ClientStatus = {
  live: number;
  /** How many live streams have ended so far. */
  ended: number;
  ids: string[];
  rejections: Record<string, number>;
};

it(
  `${STREAMS} streams that are cut at once all reconnect, while evaluations continue without errors`,
  { timeout: 3 * CONNECTED_MS },
  async () => {
    const { url } = redis();
    const servers = await Promise.all([startServerOn(url), startServerOn(url)]);
    const [first] = servers;
    await first?.request('POST', production('/flags'), { body: { key: 'f', enabled: true } });
    const body = { name: 'sdk', role: 'server', environment: 'production' };
    const { secret } = (await first?.request('POST', '/api/v1/keys', { body }))?.body ?? {};
    const [, second] = servers;
    await eventually(
      async () =>
        (await second?.request('GET', '/api/v1/flag-set', { key: secret }))?.status === 200,
    );

    const proxy = start(
      'proxy.ts',
      servers.map(server => new URL(server.url).port),
    );
    const [{ port }] = await once(proxy, 'message');
    const stream = `http://127.0.0.1:${port}/api/v1/flag-set/stream`;
    const clients = start('clients.ts', [stream, secret, String(STREAMS)]);
    const status = async (): Promise<ClientStatus> => {
      clients.send('status');
      const [message] = await once(clients, 'message');
      return message;
    };
    await eventually(async () => (await status()).live === STREAMS, CONNECTED_MS);

    const evaluations = startEvaluations(servers, secret);
    // Their connections are open then.
    await eventually(() => evaluations.count() > servers.length);
    const { ended: before } = await status();
    proxy.send('cut');
    const [{ cut }] = await once(proxy, 'message');
    expect(cut).toBe(2 * STREAMS);
    await eventually(async () => (await status()).ended >= before + STREAMS);
    await eventually(async () => (await status()).live === STREAMS, CONNECTED_MS);
    const { failures, count } = await evaluations.stop();
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(20);

    await first?.request('PATCH', production('/flags/f'), { body: { enabled: false } });
    await eventually(async () => {
      const { live: all, ids } = await status();
      return all === STREAMS && ids.length === 1;
    });
    expect((await status()).rejections).toEqual({});
    await Promise.all(servers.map(server => server.stop()));
  },
);

const startEvaluations = (
  servers: readonly Awaited<ReturnType<typeof startServerOn>>[],
  key: string,
) => {
  const failures: unknown[] = [];
  let count = 0;
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted)
      for (const server of servers) {
        const response = await server
          .request('POST', '/api/v1/evaluate', { key, body: { flagKey: 'f', context: {} } })
          .catch((error: unknown) => ({ status: 0, error }));
        if (response.status !== 200) failures.push(response);
        count += 1;
        await new Promise(resolve => setTimeout(resolve, 5));
      }
  };
  const running = run();
  return {
    count: () => count,
    async stop() {
      stopping.abort();
      await running;
      return { failures, count };
    },
  };
};
