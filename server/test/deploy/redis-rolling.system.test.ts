import { afterAll, beforeAll, expect, it } from 'vitest';

import { eventually, freePorts } from '../redis/processes.ts';
import { ADMIN_KEY, production, request, startServerOn } from '../redis/servers.ts';
import { useRedis } from '../redis/setup.ts';
import { repeat, type RepeatOptions } from '../support/repeat.ts';
import { caddy, startProxy } from './proxies.ts';

const redis = useRedis();

let url: string;
let ports: number[];
let stopProxy: () => void;
beforeAll(async () => {
  const [proxy = 0, ...servers] = await freePorts(4);
  ports = servers;
  url = `http://127.0.0.1:${proxy}`;
  stopProxy = startProxy(caddy('Caddyfile'), { proxy, servers });
});
afterAll(() => stopProxy());

const start = (port: number) =>
  startServerOn(redis().url, {
    PORT: String(port),
    PENNON_SHUTDOWN_GRACE: '3',
    PENNON_RATE_LIMIT: '0',
  });

it('no request fails behind Caddy while three servers restart, one after the other', async () => {
  const servers = await Promise.all(ports.map(start));
  await eventually(async () => (await fetch(`${url}/healthz`)).ok);
  await request(url, 'POST', production('/flags'), { body: { key: 'f', enabled: true } });

  const stopping = new AbortController();
  const common = { key: ADMIN_KEY, until: stopping.signal };
  const evaluate = { ...common, method: 'POST', body: '{"flagKey":"f","context":{}}' };
  const patch = { ...common, method: 'PATCH', body: '{"description":"new"}' };
  const requests: readonly (readonly [string, RepeatOptions])[] = [
    [production('/evaluate'), evaluate],
    [production('/evaluate'), { ...evaluate, keepAlive: false }],
    [production('/flags'), common],
    [production('/flags/f'), patch],
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
});
