import { afterAll, beforeAll, expect, it } from 'vitest';

import {
  FORMAT_VERSION,
  toEvaluationFlag,
  toEvaluationSegment,
  type AuditEntry,
  type Flag,
} from '@pennon/schema';

import { revisionOf } from '../../src/store/change-id.ts';
import { auditOf } from '../store/fixtures.ts';
import { createDice } from './chaos/dice.ts';
import { startEditors, type Edit } from './chaos/editors.ts';
import { startEvaluations } from './chaos/evaluations.ts';
import { faultsOf, type ExportDocument } from './chaos/faults.ts';
import { startFollower, textOf, type Follower } from './chaos/followers.ts';
import { ledgerOf, openHistory } from './chaos/history.ts';
import { prepareSlots, start, stop, type ServerSlot } from './chaos/servers.ts';
import { eventually, startSentinels } from './processes.ts';
import { request } from './servers.ts';
import { useProcesses } from './setup.ts';
import { openStore } from './store.ts';

const seed = Number(process.env['PENNON_CHAOS_SEED'] ?? Date.now() % 1_000_000);
const rounds = Number(process.env['PENNON_CHAOS_ROUNDS'] ?? 1);

const ENVIRONMENTS = ['development', 'production'];
const SERVERS = 3;
const FOLLOWERS = 20;
const EDITORS = 12;
/** Followers and editors have separate dice, so the same seed causes the same faults in the same order. */
const FIRST_FOLLOWER = 100;
const FIRST_EDITOR = 200;
/** After this a request is given up. A running server responds earlier, regardless of the state of Redis. */
const REQUEST_LIMIT_MS = 30_000;
/** How long before and after a fault Redis may lose writes because of it. */
const MARGIN_MS = 4_000;
const TEST_TIMEOUT_MS = 600_000;

const redis = useProcesses(() =>
  startSentinels({
    replicas: 2,
    downAfterMs: 3_000,
    // A process that is killed loses no write that is in its file. With `everysec`, a reply may come before that if the
    // disk is slow.
    settings: { appendonly: 'yes', appendfsync: 'no', 'repl-diskless-sync-delay': '0' },
  }),
);
let slots: readonly ServerSlot[] = [];
beforeAll(async () => {
  slots = await prepareSlots(SERVERS);
});
afterAll(() => Promise.all(slots.map(slot => stop(slot, 'SIGKILL'))));

type Window = { readonly name: string; readonly from: number; readonly until: number };

it(
  `under any faults no change in Redis is lost, and all servers and followers agree (PENNON_CHAOS_SEED=${seed})`,
  { timeout: TEST_TIMEOUT_MS },
  async () => {
    const faultLog: string[] = [];
    await expectSurvival(faultLog).catch((error: unknown) => {
      throw new Error(`after\n${faultLog.join('\n')}\n${String(error)}`, { cause: error });
    });
  },
);

/** One run. Adds its faults to `faultLog`, in order. */
const expectSurvival = async (faultLog: string[]): Promise<void> => {
  const diceOf = (player: number) => createDice(seed * 1_000 + player);
  const dice = diceOf(0);
  await Promise.all(slots.map(slot => start(slot, redis().url)));
  const keys = await sdkKeys();
  const followers = Array.from({ length: FOLLOWERS }, (_, i) => {
    const environment = ENVIRONMENTS[i % ENVIRONMENTS.length] ?? '';
    const key = () => keys.get(environment) ?? '';
    return startFollower(environment, key, diceOf(FIRST_FOLLOWER + i).shuffle(slots));
  });
  const editors = startEditors({
    count: EDITORS,
    slots,
    environments: ENVIRONMENTS,
    diceOf: i => diceOf(FIRST_EDITOR + i),
    limitMs: REQUEST_LIMIT_MS,
  });
  const evaluations = startEvaluations(slots, REQUEST_LIMIT_MS);

  let restored: ExportDocument | undefined;
  const windows: Window[] = [];
  const faults = faultsOf({
    redis: redis(),
    slots,
    dice,
    environments: ENVIRONMENTS,
    onRestored: document => (restored = document),
  });
  const history = openHistory(redis().url, ENVIRONMENTS, followers);
  const masters = watchMasters();
  for (let round = 0; round < rounds; round += 1)
    for (const fault of dice.shuffle(faults)) {
      await runUndisturbed();
      await history.expectNoRollback();
      windows.push(...masters.changed('between the faults'));
      faultLog.push(`${new Date().toISOString()} ${fault.name}`);
      const from = Date.now();
      await fault.happen();
      await waitUntilHealthy();
      // Even a harmless fault may last so long that the sentinels change the master.
      const changed = masters.changed(fault.name);
      if (fault.losesWrites) windows.push({ name: fault.name, from, until: Date.now() });
      windows.push(...changed);
    }
  await runUndisturbed();
  const isEnough = async () => {
    await history.expectNoRollback();
    return (
      history.longest() > ENOUGH && evaluations.succeeded() > ENOUGH && isEdited(editors.edits)
    );
  };
  // A busy machine does less in the same time.
  await eventually(isEnough);
  await editors.stop();
  await waitUntilHealthy();
  windows.push(...masters.changed('after the faults'));
  await history.expectNoRollback();
  const { failures, succeeded } = await evaluations.stop();

  for (const environment of ENVIRONMENTS) {
    const truth = await truthOf(environment);
    await expectAgreement(environment, followers, truth.text);
    expectOneEntryForEachChange(truth);
    expectReplay(truth, environment, restored);
    expectAcknowledgedWrites(editors.edits, environment, truth.entries, windows);
    expectRejectedNotWritten(editors.edits, environment, truth.entries);
  }
  expectResponses(editors.edits);
  expect(failures, 'failed evaluations on a running server').toEqual([]);
  expect(history.longest()).toBeGreaterThan(ENOUGH);
  expect(succeeded).toBeGreaterThan(ENOUGH);
  await Promise.all(followers.map(follower => follower.stop()));
};

/** How many changes of one environment, and evaluations, a run has at least. With fewer it would prove little. */
const ENOUGH = 500;

/** Watches for masters that the sentinels have changed by themselves, as they may on a busy machine. */
const watchMasters = () => {
  let last = { master: redis().master(), at: Date.now() };
  return {
    /** Returns the time in which the master has changed since the last call, if it has. */
    changed(name: string): Window[] {
      const before = last;
      last = { master: redis().master(), at: Date.now() };
      return last.master === before.master ? [] : [{ name, from: before.at, until: last.at }];
    },
  };
};

/** Time for editors and followers between one fault and the next. */
const runUndisturbed = () => new Promise(resolve => setTimeout(resolve, 1_500));

/** Waits until Redis and the servers are healthy. */
const waitUntilHealthy = async (): Promise<void> => {
  await eventually(redis().isHealthy);
  await Promise.all(slots.map(slot => slot.starting));
  let states: string[] = [];
  await eventually(async () => {
    const ready = await Promise.all(
      slots.map(slot => request(slot.url, 'GET', '/readyz').catch(() => undefined)),
    );
    states = ready.map(response => JSON.stringify(response?.body));
    return ready.every(response => response?.body.status === 'ready');
  }).catch((error: unknown) => {
    const outputs = slots.map(({ running }, i) => `${states[i]} ${running?.output()}`);
    throw new Error(`not all servers are ready:\n${outputs.join('\n')}`, { cause: error });
  });
};

/** Creates a server key for each environment. */
const sdkKeys = async (): Promise<ReadonlyMap<string, string>> => {
  const [slot] = slots;
  const made = ENVIRONMENTS.map(async environment => {
    const body = { name: 'sdk', role: 'server', environment };
    const response = await request(slot?.url ?? '', 'POST', '/api/v1/keys', { body });
    return [environment, response.body.secret] as const;
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

/** Returns the data of an environment in Redis. */
const truthOf = async (environment: string): Promise<Truth> => {
  const store = await openStore(redis().url);
  try {
    const ledger = await ledgerOf(store, environment);
    const read = await store.read(ledger);
    if (read === undefined) throw new Error(`Redis does not have ${environment}`);
    const { flags, segments } = read.records;
    return {
      id: read.id,
      flags: new Map([...flags].map(([key, { document }]) => [key, document])),
      text: textOf({
        formatVersion: FORMAT_VERSION,
        environment,
        id: read.id,
        revision: revisionOf(read.id),
        flags: projectAll(flags, toEvaluationFlag),
        segments: projectAll(segments, toEvaluationSegment),
      }),
      entries: (await auditOf(store, ledger, { limit: 1_000_000 })).toReversed(),
    };
  } finally {
    await store.close();
  }
};

const projectAll = <Document>(
  documents: ReadonlyMap<string, { document: Document }>,
  project: (document: Document) => unknown,
) => Object.fromEntries([...documents].map(([key, { document }]) => [key, project(document)]));

/** Every server and every follower has the data in Redis, byte for byte. */
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
  for (const slot of slots) {
    const path = `/api/v1/flag-set?environment=${environment}`;
    const read = async () => (await request(slot.url, 'GET', path)).text;
    await expect.poll(read, { message: `server ${slot.url}` }).toBe(truth);
  }
};

/**
 * The first change only creates the ledger; every other change has exactly one entry. The log of a ledger that
 * was restored begins with the entry of its restoration, which has the revision of the restored copy.
 */
const expectOneEntryForEachChange = ({ id, entries }: Truth): void => {
  const first = entries[0]?.action === 'environment.recover' ? entries[0].revision : 2;
  const expected = Array.from({ length: revisionOf(id) - first + 1 }, (_, i) => i + first);
  expect(entries.map(({ revision }) => revision)).toEqual(expected);
};

/** Replaying the audit log from its start or the last restoration leads to the current flags. */
const expectReplay = (
  { flags, entries }: Truth,
  environment: string,
  restored: ExportDocument | undefined,
): void => {
  const last = entries.findLastIndex(({ action }) => action === 'environment.recover');
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

/** Returns the token of each write in the audit log. */
const tokensOf = (entries: readonly AuditEntry[]): string[] =>
  entries.flatMap(({ after }) => {
    if (typeof after !== 'object' || after === null || !('description' in after)) return [];
    return typeof after.description === 'string' ? [after.description] : [];
  });

/** Every acknowledged write exists once, except for those that Redis itself has lost. */
const expectAcknowledgedWrites = (
  edits: readonly Edit[],
  environment: string,
  entries: readonly AuditEntry[],
  windows: readonly Window[],
): void => {
  const tokens = tokensOf(entries);
  const written = new Set(tokens);
  expect(tokens).toHaveLength(written.size);
  const emptied = windows.findLast(({ name }) => name.includes('without its data'));
  const excused = ({ at }: Edit) =>
    at <= (emptied?.until ?? 0) + MARGIN_MS ||
    windows.some(({ from, until }) => at >= from - MARGIN_MS && at <= until + MARGIN_MS);
  const lost = edits.filter(
    edit =>
      edit.environment === environment &&
      edit.token !== undefined &&
      acknowledged(edit) &&
      !written.has(edit.token) &&
      !excused(edit),
  );
  expect(lost, `acknowledged and lost in ${environment}`).toEqual([]);
};

/** No rejected write was made, not even later. */
const expectRejectedNotWritten = (
  edits: readonly Edit[],
  environment: string,
  entries: readonly AuditEntry[],
): void => {
  const written = new Set(tokensOf(entries));
  const violations = edits.filter(
    ({ status = 0, token = '', ...edit }) =>
      edit.environment === environment && status >= 400 && status < 500 && written.has(token),
  );
  expect(violations, `rejected but written in ${environment}`).toEqual([]);
};

/** Every server that was running responded, and only with expected errors. */
const expectResponses = (edits: readonly Edit[]): void => {
  const lost = edits.filter(({ undisturbed, status }) => undisturbed && status === undefined);
  expect(lost, 'requests without a response').toEqual([]);
  const broken = edits.filter(({ status = 0 }) => status >= 500 && status !== 503);
  expect(broken, 'requests that failed').toEqual([]);
  expect(isEdited(edits)).toBe(true);
};

/** Whether there were enough edits, some of which were rejected because of others. */
const isEdited = (edits: readonly Edit[]): boolean =>
  edits.filter(acknowledged).length > 100 && edits.some(({ status }) => status === 412);
