import { afterAll, expect, it } from 'vitest';

import type { Flag, Segment } from '@pennon/schema';

import { revisionOf } from '../../src/store/change-id.ts';
import type { StoredAuditEntry } from '../../src/store/store.ts';
import { createDice } from './chaos/dice.ts';
import { startEditors, type Edit } from './chaos/editors.ts';
import { faultsOf, type ExportDocument } from './chaos/faults.ts';
import { startFollower, textOf, type Follower } from './chaos/followers.ts';
import { preparePlaces, start, stop } from './chaos/servers.ts';
import { eventually, startSentinels } from './processes.ts';
import { ask, removeDirectories } from './servers.ts';
import { openStore } from './store.ts';

const seed = Number(process.env['PENNON_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const rounds = Number(process.env['PENNON_CHAOS_ROUNDS'] ?? 1);

const ENVIRONMENTS = ['development', 'production'];
const SERVERS = 3;
const FOLLOWERS = 20;
const EDITORS = 8;
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
  const dice = createDice(seed);
  await Promise.all(places.map(place => start(place, redis.url)));
  const keys = await sdkKeys();
  const followers = Array.from({ length: FOLLOWERS }, (_, i) => {
    const environment = ENVIRONMENTS[i % ENVIRONMENTS.length] ?? '';
    return startFollower(environment, () => keys.get(environment) ?? '', dice.shuffle(places));
  });
  const editors = startEditors({ count: EDITORS, places, environments: ENVIRONMENTS, dice });
  const evaluations = startEvaluations();

  let restored: ExportDocument | undefined;
  const windows: Window[] = [];
  const faults = faultsOf({
    redis,
    places,
    dice,
    environments: ENVIRONMENTS,
    onRestored: document => (restored = document),
  });
  for (let round = 0; round < rounds; round += 1)
    for (const fault of dice.shuffle(faults)) {
      await calm();
      story.push(`${new Date().toISOString()} ${fault.name}`);
      const window = { name: fault.name, from: Date.now(), until: Infinity };
      if (fault.loses) windows.push(window);
      await fault.happen();
      window.until = Date.now();
    }
  await calm();
  await editors.stop();
  await Promise.all(places.map(place => place.starting));
  const failures = await evaluations.stop();

  for (const environment of ENVIRONMENTS) {
    const truth = await truthOf(environment);
    await expectAgreement(environment, followers, truth.text);
    expectOneEntryForEachChange(truth);
    expectReplay(truth, environment, restored);
    expectKept(editors.edits, environment, truth.entries, windows);
    expectNoWayBack(followers, environment, truth.id);
  }
  expectBounds(editors.edits);
  expect(failures, 'evaluations that failed on a server that ran').toEqual([]);
  await Promise.all(followers.map(follower => follower.stop()));
};

/** Until Redis and the servers are whole again, and editors and followers have been at work. */
const calm = async (): Promise<void> => {
  await eventually(redis.isWhole);
  await Promise.all(places.map(place => place.starting));
  await eventually(async () => {
    const ready = await Promise.all(
      places.map(place => ask(place.url, 'GET', '/readyz').catch(() => undefined)),
    );
    return ready.every(answer => answer?.body.status === 'ready');
  });
  await new Promise(resolve => setTimeout(resolve, 1_500));
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

/** Evaluates all the time on whichever server is up, and remembers what should not have happened. */
const startEvaluations = () => {
  const failures: string[] = [];
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted) {
      for (const place of places) {
        const server = place.running;
        const answer = await ask(place.url, 'POST', '/api/v1/evaluations?environment=production', {
          body: { context: { targetingKey: 'ada' } },
        }).catch(() => undefined);
        const undisturbed = server !== undefined && place.running === server;
        if (undisturbed && (answer?.status ?? 0) >= 500)
          failures.push(`${answer?.status} ${JSON.stringify(answer?.body)}`);
      }
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      return failures;
    },
  };
};

type Truth = {
  readonly id: string;
  readonly text: string;
  readonly flags: ReadonlyMap<string, Flag>;
  /** Oldest first. */
  readonly entries: readonly StoredAuditEntry[];
};

/** What Redis holds of an environment. */
const truthOf = async (environment: string): Promise<Truth> => {
  const store = await openStore(redis.url);
  try {
    const control = await store.read({ kind: 'control', id: 'control' });
    const id = control?.records.environments.get(environment)?.document.ledger ?? '';
    const read = await store.read({ kind: 'flagSet', id });
    if (read === undefined) throw new Error(`Redis does not have ${environment}`);
    const documents = <Kept extends Flag | Segment>(
      records: ReadonlyMap<string, { document: Kept }>,
    ): [string, Kept][] => [...records].map(([key, { document }]) => [key, document]);
    const flags = documents(read.records.flags);
    return {
      id: read.id,
      flags: new Map(flags),
      text: textOf({
        id: read.id,
        flags: Object.fromEntries(flags),
        segments: Object.fromEntries(documents(read.records.segments)),
      }),
      entries: (await store.audit({ kind: 'flagSet', id }, { limit: 1_000_000 })).toReversed(),
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
    const { body } = await ask(place.url, 'GET', path);
    expect(textOf(body), `server ${place.url}`).toBe(truth);
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

/** A write that was acknowledged is there once, but for what Redis itself has lost. */
const expectKept = (
  edits: readonly Edit[],
  environment: string,
  entries: readonly StoredAuditEntry[],
  windows: readonly Window[],
): void => {
  const tokens = entries.flatMap(({ after }) =>
    typeof after === 'object' && after !== null && 'description' in after
      ? [JSON.stringify(after.description)]
      : [],
  );
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
      !there.has(JSON.stringify(edit.token)) &&
      !excused(edit),
  );
  expect(lost, `acknowledged and lost in ${environment}`).toEqual([]);
};

/** Nobody left a change that is still part of the history for an older one. */
const expectNoWayBack = (
  followers: readonly Follower[],
  environment: string,
  last: string,
): void => {
  const mine = followers.filter(follower => follower.environment === environment);
  const links = new Map(mine.flatMap(({ links: told }) => [...told]));
  const history = new Set<string>();
  for (let id: string | undefined = last; id !== undefined && !history.has(id); id = links.get(id))
    history.add(id);
  for (const { ids } of mine)
    for (const [i, id] of ids.entries()) {
      const before = ids[i - 1];
      if (before === undefined || revisionOf(id) >= revisionOf(before)) continue;
      expect(history.has(before), `went back from ${before} to ${id}`).toBe(false);
    }
};

const expectBounds = (edits: readonly Edit[]): void => {
  const slow = edits.filter(({ undisturbed, ms }) => undisturbed && ms > BOUND_MS);
  expect(slow, 'requests that hung').toEqual([]);
  const broken = edits.filter(({ status = 0 }) => status >= 500 && status !== 503);
  expect(broken, 'requests that failed').toEqual([]);
  expect(edits.filter(acknowledged).length).toBeGreaterThan(1_000);
};
