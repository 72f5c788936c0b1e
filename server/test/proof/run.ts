import { setTimeout as sleep } from 'node:timers/promises';

import pLimit from 'p-limit';

import { production, request } from '../redis/servers.ts';
import { momentsOf, type Moments } from './definition.ts';
import { METRICS } from './metrics.ts';
import { asMoments, exportLog, momentsBySql } from './warehouse.ts';
import { startServers, type Fsync, type ProofServers, type StoreName } from './servers.ts';
import {
  simulate,
  type SentBatch,
  type SentEvent,
  type Simulation,
  type Size,
} from './simulation.ts';

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
/** Not at the start of a minute, as experiments start. */
const START = Date.parse('2026-12-01T09:00:30Z');
/** As long as that, the units of the last minute are not mature, and some others are for some metrics only. */
const UNTIL_FIRST_LOOK_MS = 75_000;
const IN_FLIGHT = 4;
const POLL_MS = 100;

export type RunOptions = {
  readonly store: StoreName;
  readonly servers?: number;
  readonly fsync?: Fsync;
  readonly size: Size;
  /** How often a server, and how often Redis, is ended with SIGKILL while events are sent. */
  readonly kills: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether DuckDB computes the moments too, from an export. */
  readonly hasWarehouse?: boolean;
};

/** The moments of a store, those that the definition has for the same events, and those of the warehouse. */
export type Look = {
  readonly measured: Moments;
  readonly expected: Moments;
  readonly warehouse?: object;
};

/** Sends random events to real servers, which are killed in the meantime, and reads the moments when all is folded. */
export const runProof = async (options: RunOptions): Promise<readonly Look[]> => {
  const { size, kills, hasWarehouse = false } = options;
  const simulation = simulate(size, START);
  await using servers = await startServers({ ...options, startMs: START });
  await startExperiment(servers);
  await sendAll(servers, simulation, kills);
  const end = START + simulation.sends.length * SECOND_MS;
  const times = [end + UNTIL_FIRST_LOOK_MS, end + DAY_MS];
  const looks: Look[] = [];
  for (const atMs of times) {
    servers.setTime(atMs);
    const { run, moments: measured } = await foldedMoments(servers);
    const look = { measured, expected: momentsOf(simulation.events, atMs) };
    looks.push(
      hasWarehouse ? { ...look, warehouse: await exported(servers, { run, atMs }) } : look,
    );
  }
  return looks;
};

const exported = async (
  servers: ProofServers,
  query: { readonly run: string; readonly atMs: number },
): Promise<object> => asMoments(await momentsBySql(await exportLog(servers.url(0)), query));

const KEY = 'checkout-2';

const startExperiment = async (servers: ProofServers): Promise<void> => {
  const post = async (path: string, body: object): Promise<void> => {
    const { status, text } = await request(servers.url(0), 'POST', production(path), { body });
    if (status >= 300) throw new Error(text);
  };
  for (const metric of METRICS) await post('/metrics', metric);
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  await post('/flags', { key: 'new-checkout', enabled: true, rules: [{ id: 'test', split }] });
  await post('/experiments', {
    key: KEY,
    flag: 'new-checkout',
    rule: 'test',
    control: 'off',
    metrics: METRICS.map(({ key }) => ({ metric: key, role: 'primary' })),
    plan: { end: new Date(START + 30 * DAY_MS).toISOString(), units: 1_000_000 },
  });
  await post(`/experiments/${KEY}/start`, {});
  for (let index = 0; index < servers.count; index += 1) await waitForExperiment(servers, index);
};

/** Waits until a server has received what was written on another one. It refuses events of unknown experiments. */
const waitForExperiment = async (servers: ProofServers, index: number): Promise<void> => {
  const path = production(`/experiments/${KEY}`);
  const isRunning = async (): Promise<boolean> => {
    const { body } = await request(servers.url(index), 'GET', path);
    return Object(body).state === 'running';
  };
  while (!(await isRunning())) await sleep(POLL_MS);
};

/** Sends each batch until it is accepted. The next second begins when all of one are. */
const sendAll = async (
  servers: ProofServers,
  { sends }: Simulation,
  kills: number,
): Promise<void> => {
  const limit = pLimit(IN_FLIGHT);
  const total = sends.flat().length;
  let sent = 0;
  let killed = 0;
  let killing: Promise<void> = Promise.resolve();
  const killWhenDue = (): void => {
    if (killed >= kills || sent < ((killed + 1) * total) / (kills + 1)) return;
    const index = killed % servers.count;
    killed += 1;
    killing = killing.then(() => servers.killServer(index)).then(servers.killRedis);
  };
  for (const [second, batches] of sends.entries()) {
    const now = START + second * SECOND_MS;
    servers.setTime(now);
    await Promise.all(
      batches.map((batch, index) =>
        limit(async () => {
          sent += 1;
          killWhenDue();
          await sendUntilAccepted(servers, batch, { now, first: index });
        }),
      ),
    );
  }
  await killing;
};

const RETRY_MS = 50;
const TIMEOUT_MS = 5_000;

type Sending = { readonly now: number; readonly first: number };

/** A batch whose reply is lost is sent again, as it is, to the next server. */
const sendUntilAccepted = async (
  servers: ProofServers,
  { instance, sequence, events }: SentBatch,
  { now, first }: Sending,
): Promise<void> => {
  const body = {
    instance,
    sequence,
    sentAtMs: now,
    sdk: 'proof 1.0.0',
    hashedUnits: true,
    events: events.map(toWire),
  };
  for (let attempt = first; ; attempt += 1) {
    const url = servers.url(attempt % servers.count);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const sent = await request(url, 'POST', production('/events'), { body, signal }).catch(
      () => undefined,
    );
    if (sent?.status === 202) {
      if (sent.body.accepted !== events.length) throw new Error(sent.text);
      return;
    }
    if (sent !== undefined && sent.status < 500) throw new Error(sent.text);
    await sleep(RETRY_MS);
  }
};

const CENTS = 100;

const toWire = (event: SentEvent): object => {
  if (event.type === 'exposure') return { ...event, experiment: KEY };
  const { unit, cents, currency, ...fields } = event;
  return {
    ...fields,
    value: cents / CENTS,
    attributes: { currency },
    units: { targetingKey: unit },
  };
};

const FOLD_TIMEOUT_MS = 600_000;

/** Returns the moments once everything is folded. */
const foldedMoments = async (
  servers: ProofServers,
): Promise<{ readonly run: string; readonly moments: Moments }> => {
  const until = performance.now() + FOLD_TIMEOUT_MS;
  for (;;) {
    const path = production(`/experiments/${KEY}/moments`);
    const { status, body, text } = await request(servers.url(0), 'GET', path);
    // A server whose Redis has just started again may not be connected yet.
    if (status !== 200 && status < 500) throw new Error(text);
    const { run, lagSeconds, units, quarantined, metrics } = Object(body);
    if (status === 200 && lagSeconds === 0)
      return { run, moments: { units, quarantined, metrics } };
    if (performance.now() > until) throw new Error(`not folded after ${FOLD_TIMEOUT_MS} ms`);
    await sleep(POLL_MS);
  }
};
