import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { afterAll, expect, it } from 'vitest';

import { eventually, startRedis } from './processes.ts';
import { production, removeDirectories, startServerOn } from './servers.ts';

const STREAMS = 5_000;
const BACK_WITHIN_MS = 30_000;

const redis = await startRedis();
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await redis.remove();
  removeDirectories();
});

const start = (file: string, args: readonly string[]): ChildProcess => {
  const child = fork(new URL(`storm/${file}`, import.meta.url), [...args]);
  children.push(child);
  return child;
};

type Live = { live: number; ids: string[]; refusals: Record<string, number> };

it(
  `${STREAMS} streams that are cut at once come back within 30 s, while evaluations go on without an error`,
  { timeout: 180_000 },
  async () => {
    const url = `redis://127.0.0.1:${redis.port}`;
    const servers = await Promise.all([startServerOn(url), startServerOn(url)]);
    const [first] = servers;
    await first?.ask('POST', production('/flags'), { body: { key: 'f', enabled: true } });
    const body = { name: 'sdk', role: 'server', environment: 'production' };
    const { secret } = (await first?.ask('POST', '/api/v1/keys', { body }))?.body ?? {};
    const [, second] = servers;
    await eventually(
      async () => (await second?.ask('GET', '/api/v1/flag-set', { key: secret }))?.status === 200,
    );

    const proxy = start(
      'proxy.ts',
      servers.map(server => new URL(server.url).port),
    );
    const [{ port }] = await once(proxy, 'message');
    const stream = `http://127.0.0.1:${port}/api/v1/flag-set/stream`;
    const clients = start('clients.ts', [stream, secret, String(STREAMS)]);
    const live = async (): Promise<Live> => {
      clients.send('live');
      const [answer] = await once(clients, 'message');
      return answer;
    };
    await eventually(async () => (await live()).live === STREAMS, 90_000);

    const evaluations = startEvaluations(servers, secret);
    proxy.send('cut');
    const cutAt = performance.now();
    const [{ cut }] = await once(proxy, 'message');
    expect(cut).toBe(2 * STREAMS);
    await eventually(async () => (await live()).live < STREAMS / 2);
    await eventually(async () => (await live()).live === STREAMS, BACK_WITHIN_MS);
    const backMs = performance.now() - cutAt;
    const { failures, count, times } = await evaluations.stop();
    expect(backMs).toBeLessThan(BACK_WITHIN_MS);
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(20);
    expect(Math.max(...times), 'the slowest evaluation').toBeLessThan(2_000);

    await first?.ask('PATCH', production('/flags/f'), { body: { enabled: false } });
    await eventually(async () => {
      const { live: all, ids } = await live();
      return all === STREAMS && ids.length === 1;
    });
    expect((await live()).refusals).toEqual({});
    await Promise.all(servers.map(server => server.stop()));
  },
);

const startEvaluations = (
  servers: readonly Awaited<ReturnType<typeof startServerOn>>[],
  key: string,
) => {
  const failures: unknown[] = [];
  const times: number[] = [];
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted)
      for (const server of servers) {
        const answer = await server
          .ask('POST', '/api/v1/evaluate', { key, body: { flagKey: 'f', context: {} } })
          .catch((error: unknown) => ({ status: 0, ms: 0, error }));
        if (answer.status !== 200) failures.push(answer);
        times.push(answer.ms);
        await new Promise(resolve => setTimeout(resolve, 5));
      }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      return { failures, count: times.length, times };
    },
  };
};
