import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { freePort } from '../support/free-ports.ts';
import { endWithTests } from '../support/process.ts';

/** A Redis process on a free port. Each test file starts and ends its own. */
export type RedisProcess = {
  readonly port: number;
  readonly url: string;
  readonly directory: string;
  /** Starts the process, with the data in its directory. Does nothing while it is running. */
  start(): Promise<void>;
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Runs a command. Returns the output of redis-cli. */
  cli(...args: readonly string[]): string;
  /** Removes its data but not its settings. Only while it is not running. */
  wipe(): void;
  /** Ends the process and removes its directory. */
  remove(): Promise<void>;
};

const requireProgram = (name: string): string => {
  const found = spawnSync(name, ['--version'], { encoding: 'utf8' });
  if (found.status === 0) return name;
  throw new Error(
    `these tests need ${name}: install it, on Debian with "apt-get install redis-server"`,
  );
};

/** Prepares a redis-server with these additional settings. Call `start` to start it. */
export const redisProcess = async (
  settings: Readonly<Record<string, string>> = {},
): Promise<RedisProcess> => {
  requireProgram('redis-server');
  requireProgram('redis-cli');
  const directory = mkdtempSync(join(tmpdir(), 'pennon-redis-'));
  const port = Number(settings['tls-port'] ?? (await freePort()));
  const file = join(directory, 'redis.conf');
  const all = { port: String(port), bind: '127.0.0.1', dir: directory, save: '""', ...settings };
  writeFileSync(
    file,
    Object.entries(all)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  );
  return processOn({
    port,
    directory,
    command: ['redis-server', file],
    ready: /Ready to accept connections/,
    password: settings['requirepass'],
  });
};

type ProcessOptions = {
  readonly port: number;
  readonly directory: string;
  readonly command: readonly [string, ...string[]];
  readonly ready: RegExp;
  /** Used by redis-cli. */
  readonly password?: string | undefined;
};

/** A paused server does not reply. Others do so in time, also on a busy machine. */
const CLI_TIMEOUT_MS = 60_000;

const processOn = ({
  port,
  directory,
  command: [program, ...args],
  ready,
  password,
}: ProcessOptions): RedisProcess => {
  let child: ChildProcess | undefined;

  const kill = async () => {
    const killed = child;
    child = undefined;
    if (!isRunning(killed)) return;
    const ended = once(killed, 'exit');
    killed.kill('SIGKILL');
    await ended;
  };

  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    directory,
    kill,
    async start() {
      if (isRunning(child)) return;
      child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      endWithTests(child);
      await waitForOutput(child, ready);
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    cli(...commandArgs) {
      const done = spawnSync('redis-cli', ['-e', '-p', String(port), ...commandArgs], {
        encoding: 'utf8',
        timeout: CLI_TIMEOUT_MS,
        env: { ...process.env, ...(password !== undefined && { REDISCLI_AUTH: password }) },
      });
      if (done.status !== 0)
        throw new Error(`redis-cli ${commandArgs.join(' ')}: ${done.stdout}${done.stderr}`);
      return done.stdout.trimEnd();
    },
    wipe() {
      for (const name of readdirSync(directory))
        if (!name.endsWith('.conf')) rmSync(join(directory, name), { recursive: true });
    },
    async remove() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
};

const isRunning = (child: ChildProcess | undefined): child is ChildProcess =>
  child !== undefined && child.exitCode === null && child.signalCode === null;

/** Resolves once a line of the output matches. Rejects with the output if the process ends first. */
const waitForOutput = (child: ChildProcess, ready: RegExp): Promise<void> =>
  new Promise((resolve, reject) => {
    const lines: string[] = [];
    if (child.stdout === null) return reject(new Error('the process has no output'));
    createInterface({ input: child.stdout }).on('line', line => {
      lines.push(line);
      if (ready.test(line)) resolve();
    });
    child.stderr?.resume();
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`redis ended with ${code}:\n${lines.join('\n')}`)));
  });

/** Starts a single Redis. */
export const startRedis = async (
  settings?: Readonly<Record<string, string>>,
): Promise<RedisProcess> => {
  const redis = await redisProcess(settings);
  await redis.start();
  return redis;
};

/** How long a server may be silent in tests of a failover, which need not wait longer. */
export const FAILOVER_AFTER_MS = 1_000;
/** Longer than a busy machine keeps a server from replying. */
const NO_FAILOVER_MS = 60_000;

export type Sentinels = {
  /** The first one is the initial master. */
  readonly servers: readonly RedisProcess[];
  readonly sentinels: readonly RedisProcess[];
  readonly url: string;
  /** Whether all replicas are connected to the master and in sync. */
  readonly isHealthy: () => boolean;
  /** The port of the master that the sentinels agree on. */
  master(): number;
  remove(): Promise<void>;
};

const MASTER = 'flags';

type SentinelOptions = {
  readonly replicas?: number;
  /**
   * How long a master may be silent before it is considered down. By default so long that a busy machine
   * causes no failover.
   */
  readonly downAfterMs?: number;
  /** Settings of every Redis. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The passwords of every Redis and of every sentinel. */
  readonly passwords?: { readonly redis: string; readonly sentinel: string } | undefined;
};

/** Starts a master with replicas, and three sentinels. */
export const startSentinels = async ({
  replicas = 1,
  downAfterMs = NO_FAILOVER_MS,
  settings: given = {},
  passwords,
}: SentinelOptions = {}): Promise<Sentinels> => {
  const settings = {
    'repl-diskless-sync-delay': '0',
    ...given,
    ...(passwords && passwordSettings(passwords.redis)),
  };
  const original = await startRedis(settings);
  const followers = await Promise.all(
    Array.from({ length: replicas }, () =>
      startRedis({ ...settings, replicaof: `127.0.0.1 ${original.port}` }),
    ),
  );
  const sentinels = await Promise.all(
    Array.from({ length: 3 }, () => startSentinel(original.port, downAfterMs, passwords)),
  );
  const servers = [original, ...followers];
  const processes = [...sentinels, ...servers];
  const [first] = sentinels;
  const master = () =>
    Number(first?.cli('sentinel', 'get-master-addr-by-name', MASTER).split('\n')[1]);
  await eventually(() => sentinels.every(each => knowsAll(each, replicas)));
  await eventually(() => followers.every(isInSync));
  return {
    servers,
    sentinels,
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER}`,
    master,
    isHealthy() {
      const info = servers.find(({ port }) => port === master())?.cli('info', 'replication');
      return info?.match(/state=online/g)?.length === replicas && info.includes('role:master');
    },
    async remove() {
      await Promise.all(processes.map(each => each.remove()));
    },
  };
};

const knowsAll = (sentinel: RedisProcess, replicas: number): boolean => {
  const state = sentinel.cli('sentinel', 'master', MASTER).split('\n');
  const numberOf = (name: string) => Number(state[state.indexOf(name) + 1]);
  return numberOf('num-slaves') === replicas && numberOf('num-other-sentinels') === 2;
};

/** The password for clients, and for replicas connecting to their master. */
const passwordSettings = (password: string) => ({ requirepass: password, masterauth: password });

const startSentinel = async (
  masterPort: number,
  downAfterMs: number,
  passwords: SentinelOptions['passwords'],
): Promise<RedisProcess> => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-sentinel-'));
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
    `sentinel failover-timeout ${MASTER} 4000`,
    ...(passwords === undefined
      ? []
      : [
          `sentinel auth-pass ${MASTER} ${passwords.redis}`,
          `requirepass ${passwords.sentinel}`,
          `sentinel sentinel-pass ${passwords.sentinel}`,
        ]),
  ];
  writeFileSync(file, lines.map(line => `${line}\n`).join(''));
  const sentinel = processOn({
    port,
    directory,
    command: ['redis-server', file, '--sentinel'],
    ready: /\+monitor master/,
    password: passwords?.sentinel,
  });
  await sentinel.start();
  return sentinel;
};

export type ClusterProcesses = {
  /** Masters first, then their replicas in the same order. */
  readonly nodes: readonly RedisProcess[];
  readonly url: string;
  remove(): Promise<void>;
};

const SLOTS = 16_384;

type ClusterOptions = {
  readonly replicas?: number;
  /** How long a node may be silent before it is considered down. By default no node ever is. */
  readonly nodeTimeoutMs?: number;
  readonly password?: string;
};

/** Starts a cluster of three masters, each with this number of replicas. */
export const startCluster = async ({
  replicas = 0,
  nodeTimeoutMs = NO_FAILOVER_MS,
  password,
}: ClusterOptions = {}): Promise<ClusterProcesses> => {
  const nodes = await Promise.all(
    Array.from({ length: 3 * (1 + replicas) }, async () =>
      startRedis({
        ...(await clusterSettings(nodeTimeoutMs)),
        ...(password === undefined ? {} : passwordSettings(password)),
      }),
    ),
  );
  const masters = nodes.slice(0, 3);
  const [first] = nodes;
  if (first === undefined) throw new Error('a cluster needs a node');
  for (const [i, node] of masters.entries()) {
    const [from, until] = [Math.floor((SLOTS * i) / 3), Math.floor((SLOTS * (i + 1)) / 3)];
    node.cli('cluster', 'addslotsrange', String(from), String(until - 1));
    node.cli('cluster', 'set-config-epoch', String(i + 1));
  }
  for (const node of nodes.slice(1)) meet(node, first);
  await eventually(() => nodes.every(node => countNodes(node) === nodes.length));
  for (const [i, node] of nodes.slice(3).entries()) {
    const master = masters[i % 3];
    if (master !== undefined) node.cli('cluster', 'replicate', master.cli('cluster', 'myid'));
  }
  await eventually(() =>
    nodes.every(node => node.cli('cluster', 'info').includes('cluster_state:ok')),
  );
  await eventually(() => nodes.slice(3).every(isInSync));
  return {
    nodes,
    url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    async remove() {
      await Promise.all(nodes.map(node => node.remove()));
    },
  };
};

/** A replica that has never been in sync cannot become master. */
const isInSync = (replica: RedisProcess): boolean =>
  replica.cli('info', 'replication').includes('master_link_status:up');

const clusterSettings = async (nodeTimeoutMs: number): Promise<Record<string, string>> => ({
  'cluster-enabled': 'yes',
  'cluster-config-file': 'nodes.conf',
  'cluster-node-timeout': String(nodeTimeoutMs),
  'repl-diskless-sync-delay': '0',
  'cluster-port': String(await freePort()),
});

const meet = (node: RedisProcess, other: RedisProcess): void => {
  const bus =
    /myself/.test(other.cli('cluster', 'nodes')) &&
    /@([0-9]+)/.exec(other.cli('cluster', 'nodes'))?.[1];
  node.cli('cluster', 'meet', '127.0.0.1', String(other.port), String(bus));
};

const countNodes = (node: RedisProcess): number =>
  node
    .cli('cluster', 'nodes')
    .split('\n')
    .filter(line => !line.includes('handshake')).length;

const POLL_MS = 50;
/** Less than a test has, so that the condition is reported. A busy machine must not fail a test. */
const TIMEOUT_MS = 90_000;

/** Polls until `condition` is true. Only for what another process does without a notification. */
export const eventually = async (
  condition: () => boolean | Promise<boolean>,
  timeoutMs = TIMEOUT_MS,
): Promise<void> => {
  const until = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > until)
      throw new Error(`it did not happen within ${timeoutMs} ms: ${String(condition)}`);
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
};
