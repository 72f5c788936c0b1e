import { afterAll, expect, it } from 'vitest';

import { FORMAT_VERSION, type AuditEntry, type Flag, type Segment } from '@pennon/schema';

import { revisionOf } from '../../src/store/change-id.ts';
import { createDice } from './chaos/dice.ts';
import { startEditors, type Edit } from './chaos/editors.ts';
import { startEvaluations } from './chaos/evaluations.ts';
import { faultsOf, type ExportDocument } from './chaos/faults.ts';
import { startFollower, textOf, type Follower } from './chaos/followers.ts';
import { ledgerOf, openHistory } from './chaos/history.ts';
import { preparePlaces, start, stop } from './chaos/servers.ts';
import { eventually, startSentinels } from './processes.ts';
import { ask, removeDirectories } from './servers.ts';
import { openStore } from './store.ts';

const seed = Number(process.env['PENNON_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const rounds = Number(process.env['PENNON_CHAOS_ROUNDS'] ?? 1);

const ENVIRONMENTS = ['development', 'production'];
const SERVERS = 3;
const FOLLOWERS = 20;
const EDITORS = 12;
/** Everybody has dice of their own, so that the same seed breaks the same things in the same order. */
const FIRST_FOLLOWER = 100;
const FIRST_EDITOR = 200;
/** No request to a server that runs may take longer, whatever happens to Redis. */
const BOUND_MS = 10_000;
/** How long Redis's losses may show around the fault that made them. */
const AROUND_MS = 4_000;
const LIMIT_MS = 300_000;

const redis = await startSentinels({
  replicas: 2,
  downAfterMs: 1_500,
  settings: { appendonly: 'yes', appendfsync: 'everysec', 'repl-diskless-sync-delay': '0' },
});
const places = await preparePlaces(SERVERS);
afterAll(async () => {
  await Promise.all(places.map(place => stop(place, 'SIGKILL')));
  await redis.remove();
  removeDirectories();
});

type Window = { readonly name: string; readonly from: number; until: number };

it(
  `whatever breaks, nothing that Redis keeps is lost, and all agree (PENNON_CHAOS_SEED=${seed})`,
  { timeout: LIMIT_MS },
  async () => {
    const story: string[] = [];
    await expectSurvival(story).catch((error: unknown) => {
      throw new Error(`after\n${story.join('\n')}\n${String(error)}`, { cause: error });
    });
  },
);

/** One run; what goes wrong is told in `story`, in order. */
const expectSurvival = async (story: string[]): Promise<void> => {
  const diceOf = (player: number) => createDice(seed * 1_000 + player);
  const dice = diceOf(0);
  await Promise.all(places.map(place => start(place, redis.url)));
  const keys = await sdkKeys();
  const followers = Array.from({ length: FOLLOWERS }, (_, i) => {
    const environment = ENVIRONMENTS[i % ENVIRONMENTS.length] ?? '';
    const key = () => keys.get(environment) ?? '';
    return startFollower(environment, key, diceOf(FIRST_FOLLOWER + i).shuffle(places));
  });
  const editors = startEditors({
    count: EDITORS,
    places,
    environments: ENVIRONMENTS,
    diceOf: i => diceOf(FIRST_EDITOR + i),
  });
  const evaluations = startEvaluations(places, BOUND_MS);

  let restored: ExportDocument | undefined;
  const windows: Window[] = [];
  const faults = faultsOf({
    redis,
    places,
    dice,
    environments: ENVIRONMENTS,
    onRestored: document => (restored = document),
  });
  const history = openHistory(redis.url, ENVIRONMENTS, followers);
  for (let round = 0; round < rounds; round += 1)
    for (const fault of dice.shuffle(faults)) {
      await letWork();
      await history.expectNoWayBack();
      const master = redis.master();
      story.push(`${new Date().toISOString()} ${fault.name}`);
      const window = { name: fault.name, from: Date.now(), until: Infinity };
      await fault.happen();
      window.until = Date.now();
      await becomeWhole();
      // A fault that costs nothing by itself may last so long that the sentinels change the master.
      if (fault.loses || redis.master() !== master) windows.push(window);
    }
  await letWork();
  await editors.stop();
  await history.expectNoWayBack();
  const { failures, answered } = await evaluations.stop();

  for (const environment of ENVIRONMENTS) {
    const truth = await truthOf(environment);
    await expectAgreement(environment, followers, truth.text);
    expectOneEntryForEachChange(truth);
    expectReplay(truth, environment, restored);
    expectKept(editors.edits, environment, truth.entries, windows);
    expectNothingRefused(editors.edits, environment, truth.entries);
  }
  expectBounds(editors.edits);
  expect(failures, 'evaluations that failed on a server that ran').toEqual([]);
  expect(history.longest()).toBeGreaterThan(500);
  expect(answered).toBeGreaterThan(500);
  await Promise.all(followers.map(follower => follower.stop()));
};

/** Time for editors and followers between one fault and the next. */
const letWork = () => new Promise(resolve => setTimeout(resolve, 1_500));

/** Until Redis and the servers are whole again. */
const becomeWhole = async (): Promise<void> => {
  await eventually(redis.isWhole);
  await Promise.all(places.map(place => place.starting));
  let states: string[] = [];
  await eventually(async () => {
    const ready = await Promise.all(
      places.map(place => ask(place.url, 'GET', '/readyz').catch(() => undefined)),
    );
    states = ready.map(answer => JSON.stringify(answer?.body));
    return ready.every(answer => answer?.body.status === 'ready');
  }).catch((error: unknown) => {
    const said = places.map(({ running }, i) => `${states[i]} ${running?.output()}`);
    throw new Error(`not all servers are ready:\n${said.join('\n')}`, { cause: error });
  });
};

/** A key for the followers of each environment, as an SDK has one. */
const sdkKeys = async (): Promise<ReadonlyMap<string, string>> => {
  const [place] = places;
  const made = ENVIRONMENTS.map(async environment => {
    const body = { name: 'sdk', role: 'server', environment };
    const answer = await ask(place?.url ?? '', 'POST', '/api/v1/keys', { body });
    return [environment, answer.body.secret] as const;
  });
  return new Map(await Promise.all(made));
};

type Truth = {
  readonly id: string;
  readonly text: string;
  readonly flags: ReadonlyMap<string, Flag>;
  /** Oldest first. */
  readonly entries: readonly AuditEntry[];
};

/** What Redis holds of an environment. */
const truthOf = async (environment: string): Promise<Truth> => {
  const store = await openStore(redis.url);
  try {
    const ledger = await ledgerOf(store, environment);
    const read = await store.read(ledger);
    if (read === undefined) throw new Error(`Redis does not have ${environment}`);
    const documents = <ServerFields extends Flag | Segment>(
      records: ReadonlyMap<string, { document: ServerFields }>,
    ): [string, ServerFields][] => [...records].map(([key, { document }]) => [key, document]);
    const flags = documents(read.records.flags);
    return {
      id: read.id,
      flags: new Map(flags),
      text: textOf({
        formatVersion: FORMAT_VERSION,
        environment,
        id: read.id,
        revision: revisionOf(read.id),
        flags: Object.fromEntries(flags),
        segments: Object.fromEntries(documents(read.records.segments)),
      }),
      entries: (await store.audit(ledger, { limit: 1_000_000 })).toReversed(),
    };
  } finally {
    await store.close();
  }
};

/** Every server and every follower has, byte for byte, what Redis has. */
const expectAgreement = async (
  environment: string,
  followers: readonly Follower[],
  truth: string,
): Promise<void> => {
  const mine = followers.filter(follower => follower.environment === environment);
  await eventually(() => mine.every(follower => textOf(follower.current()) === truth)).catch(
    () => undefined,
  );
  for (const [i, follower] of mine.entries())
    expect(textOf(follower.current()), `follower ${i} of ${environment}`).toBe(truth);
  for (const place of places) {
    const path = `/api/v1/flag-set?environment=${environment}`;
    const { text } = await ask(place.url, 'GET', path);
    expect(text, `server ${place.url}`).toBe(truth);
  }
};

/** The first change of a ledger only makes it; every other one left exactly one entry. */
const expectOneEntryForEachChange = ({ id, entries }: Truth): void => {
  const expected = Array.from({ length: revisionOf(id) - 1 }, (_, i) => i + 2);
  expect(entries.map(({ revision }) => revision)).toEqual(expected);
};

/** The audit log, played from its beginning or the last import, ends in what there is. */
const expectReplay = (
  { flags, entries }: Truth,
  environment: string,
  restored: ExportDocument | undefined,
): void => {
  const last = entries.findLastIndex(({ action }) => action === 'environment.import');
  const document = restored?.environments.find(({ key }) => key === environment);
  const state = new Map<string, unknown>(
    last === -1 ? [] : document?.flags.map(flag => [flag.key, flag]),
  );
  for (const { key, after } of entries.slice(last + 1))
    if (after === null) state.delete(key);
    else state.set(key, after);
  expect(Object.fromEntries(state)).toEqual(Object.fromEntries(flags));
};

const acknowledged = ({ status }: Edit): boolean => status === 200 || status === 201;

/** The token of each write that is in the audit log. */
const tokensOf = (entries: readonly AuditEntry[]): string[] =>
  entries.flatMap(({ after }) => {
    if (typeof after !== 'object' || after === null || !('description' in after)) return [];
    return typeof after.description === 'string' ? [after.description] : [];
  });

/** A write that was acknowledged is there once, but for what Redis itself has lost. */
const expectKept = (
  edits: readonly Edit[],
  environment: string,
  entries: readonly AuditEntry[],
  windows: readonly Window[],
): void => {
  const tokens = tokensOf(entries);
  const there = new Set(tokens);
  expect(tokens).toHaveLength(there.size);
  const emptied = windows.findLast(({ name }) => name.includes('without its data'));
  const excused = ({ at }: Edit) =>
    at <= (emptied?.until ?? 0) + AROUND_MS ||
    windows.some(({ from, until }) => at >= from - AROUND_MS && at <= until + AROUND_MS);
  const lost = edits.filter(
    edit =>
      edit.environment === environment &&
      edit.token !== undefined &&
      acknowledged(edit) &&
      !there.has(edit.token) &&
      !excused(edit),
  );
  expect(lost, `acknowledged and lost in ${environment}`).toEqual([]);
};

/** What was refused for what it asked was not done, not even later. */
const expectNothingRefused = (
  edits: readonly Edit[],
  environment: string,
  entries: readonly AuditEntry[],
): void => {
  const there = new Set(tokensOf(entries));
  const done = edits.filter(
    ({ status = 0, token = '', ...edit }) =>
      edit.environment === environment && status >= 400 && status < 500 && there.has(token),
  );
  expect(done, `refused and done in ${environment}`).toEqual([]);
};

const expectBounds = (edits: readonly Edit[]): void => {
  const slow = edits.filter(({ undisturbed, ms }) => undisturbed && ms > BOUND_MS);
  expect(slow, 'requests that hung').toEqual([]);
  const broken = edits.filter(({ status = 0 }) => status >= 500 && status !== 503);
  expect(broken, 'requests that failed').toEqual([]);
  expect(edits.filter(acknowledged).length).toBeGreaterThan(2_000);
  expect(edits.some(({ status }) => status === 412)).toBe(true);
};
