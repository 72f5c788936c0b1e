import { startRedis, type RedisProcess } from './processes.ts';
import { production, removeDirectories, startServerOn } from './servers.ts';

// Measures writes with each durability setting of Redis. Runs real processes on this machine:
// redis-server, one Pennon server, and this client. Run it on an idle machine:
//
//     npx -y pnpm exec node server/test/redis/durability.bench.ts

const SECONDS = 4;
/** Settings alternate. The best round of each counts, as the least disturbed one. */
const ROUNDS = 3;
const EDITORS = 16;

type Setting = {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly replicas: number;
};

const aof = (fsync: string) => ({ appendonly: 'yes', appendfsync: fsync });
const REQUIRES_REPLICA = { 'min-replicas-to-write': '1', 'min-replicas-max-lag': '10' };

const SETTINGS: readonly Setting[] = [
  { name: 'appendonly no', settings: {}, replicas: 0 },
  { name: 'appendfsync no', settings: aof('no'), replicas: 0 },
  { name: 'appendfsync everysec', settings: aof('everysec'), replicas: 0 },
  { name: 'appendfsync always', settings: aof('always'), replicas: 0 },
  { name: 'appendfsync everysec, one replica', settings: aof('everysec'), replicas: 1 },
  {
    name: 'appendfsync everysec, one replica, min-replicas-to-write 1',
    settings: { ...aof('everysec'), ...REQUIRES_REPLICA },
    replicas: 1,
  },
  { name: 'appendfsync always, one replica', settings: aof('always'), replicas: 1 },
];

/** Starts a master with its replicas and waits until they are in sync. */
const startAll = async ({ settings, replicas }: Setting): Promise<readonly RedisProcess[]> => {
  const master = await startRedis({ ...settings, 'repl-diskless-sync-delay': '0' });
  const replicaof = `127.0.0.1 ${master.port}`;
  const followers = Array.from({ length: replicas }, () => startRedis({ ...settings, replicaof }));
  const all = [master, ...(await Promise.all(followers))];
  while ((master.cli('info', 'replication').match(/state=online/g)?.length ?? 0) < replicas)
    await new Promise(resolve => setTimeout(resolve, 50));
  return all;
};

type Measured = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

const measure = async (editors: number, put: (i: number) => Promise<void>): Promise<Measured> => {
  const times: number[] = [];
  const until = performance.now() + SECONDS * 1_000;
  const edit = async (_: unknown, editor: number) => {
    while (performance.now() < until) {
      const start = performance.now();
      await put(editor);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: editors }, edit));
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN;
  return { perSecond: sorted.length / SECONDS, p50Ms: at(0.5), p99Ms: at(0.99) };
};

/** Measures with one editor and with many. */
const run = async (setting: Setting): Promise<readonly Measured[]> => {
  const all = await startAll(setting);
  const server = await startServerOn(`redis://127.0.0.1:${all[0]?.port}`, {
    PENNON_RATE_LIMIT: '0',
    LOG_LEVEL: 'silent',
  });
  let count = 0;
  const put = async (editor: number) => {
    count += 1;
    const body = { enabled: true, description: `write ${count}` };
    const path = production(`/flags/flag-${editor}`);
    const { status } = await server.request('PUT', path, { body });
    if (status !== 200) throw new Error(`a write returned ${status}`);
  };
  for (let i = 0; i < EDITORS; i += 1)
    await server.request('POST', production('/flags'), {
      body: { key: `flag-${i}`, enabled: true },
    });
  for (let i = 0; i < 500; i += 1) await put(0);
  const one = await measure(1, put);
  const many = await measure(EDITORS, put);
  await server.stop();
  await Promise.all(all.map(each => each.remove()));
  return [one, many];
};

const rowOf = ({ name }: Setting, measured: readonly Measured[]): string => {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const cells = measured.flatMap(({ perSecond, p50Ms, p99Ms }) => [
    String(Math.round(perSecond)),
    ms(p50Ms),
    ms(p99Ms),
  ]);
  return `| ${[name, ...cells].join(' | ')} |`;
};

const better = (before: Measured | undefined, now: Measured): Measured =>
  before !== undefined && before.perSecond > now.perSecond ? before : now;

const best = new Map<Setting, readonly Measured[]>();
for (let round = 0; round < ROUNDS; round += 1)
  for (const setting of SETTINGS) {
    const measured = await run(setting);
    best.set(
      setting,
      measured.map((each, i) => better(best.get(setting)?.[i], each)),
    );
  }
removeDirectories();

const print = (line: string) => process.stdout.write(`${line}\n`);
print('| Redis | 1 editor: writes/s | p50 | p99 | 16 editors: writes/s | p50 | p99 |');
print('| --- | --: | --: | --: | --: | --: | --: |');
for (const [setting, measured] of best) print(rowOf(setting, measured));
