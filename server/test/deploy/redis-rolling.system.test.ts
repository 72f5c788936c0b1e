import { afterEach, expect, it } from 'vitest';

import { eventually } from '../redis/processes.ts';
import { ADMIN_KEY, production, request, startServerOn } from '../redis/servers.ts';
import { useRedis } from '../redis/setup.ts';
import { freePorts } from '../support/free-ports.ts';
import { repeat, type RepeatOptions } from '../support/repeat.ts';
import { caddy, nginx, startProxy } from './proxies.ts';

const redis = useRedis();

let stopProxy = async () => {};
afterEach(() => stopProxy());

const start = (port: number) =>
  startServerOn(redis().url, {
    PORT: String(port),
    // The default.
    PENNON_SHUTDOWN_GRACE: '5',
    PENNON_RATE_LIMIT: '0',
  });

// nginx has no health checks, so it may connect in the very moment in which a port closes. It does not repeat
// a write then.
it.each([
  ['nginx', 'no evaluation and no GET request', nginx('nginx.conf')],
  ['Caddy', 'no request', caddy('Caddyfile')],
])(
  'behind %s, %s fails while three servers restart one after the other',
  async (name, _, program) => {
    const [proxy = 0, ...ports] = await freePorts(4);
    const url = `http://127.0.0.1:${proxy}`;
    stopProxy = startProxy(program, { proxy, servers: ports });
    const servers = await Promise.all(ports.map(start));
    const isServing = (): Promise<boolean> =>
      fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually(isServing);
    await request(url, 'POST', production('/flags'), { body: { key: 'f', enabled: true } });
    const body = { flagKey: 'f', context: {} };
    for (const server of servers)
      await eventually(
        async () =>
          (await server.request('POST', production('/evaluate'), { body })).status === 200,
      );

    const stopping = new AbortController();
    const common = { key: ADMIN_KEY, until: stopping.signal };
    const evaluate = { ...common, method: 'POST', body: '{"flagKey":"f","context":{}}' };
    const patch = { ...common, method: 'PATCH', body: '{"description":"new"}' };
    const requests: readonly (readonly [string, RepeatOptions])[] = [
      [production('/evaluate'), evaluate],
      [production('/evaluate'), { ...evaluate, keepAlive: false }],
      [production('/flags'), common],
      ...(name === 'nginx' ? [] : [[production('/flags/f'), patch] as const]),
    ];
    const clients = requests.map(([path, options]) => repeat(url + path, options));
    for (const [i, port] of ports.entries()) {
      expect(await servers[i]?.stop('SIGTERM')).toBe(0);
      servers[i] = await start(port);
    }
    stopping.abort();
    for (const outcomes of await Promise.all(clients)) {
      expect(outcomes.length).toBeGreaterThan(50);
      expect(outcomes.filter(({ status }) => status !== 200)).toEqual([]);
    }
    await Promise.all(servers.map(server => server.stop('SIGKILL')));
  },
);
