import { pause, within } from '../../clock.ts';
import { newEpoch, newNonce } from '../change-id.ts';
import {
  serializeCommit,
  type AuditDraftRow,
  type CommitRow,
  type VersionRow,
  versionOfRow,
  type WriteRow,
} from '../serialization.ts';
import type { Commit, CommitOutcome, Ledger, LedgerKind } from '../store.ts';
import { IDLE_TIMEOUT_MS } from './clients.ts';
import { runScript, type RedisContext } from './commands.ts';
import type { CommandResult, Send } from './connections.ts';
import { commitUnknown, foreignData } from './errors.ts';
import { FOREIGN, mend } from './mend.ts';
import { collectionsOf, FORMAT, versionedIn } from './keys.ts';
import { asList, asText } from './reply.ts';
import { stageArguments, type Argument } from './staging.ts';
import { versionField } from './versions.ts';

/**
 * The maximum size of a change in the feed. A larger change is a gap for followers, and they read the
 * ledger: this limits the memory of the feed, and what a follower receives at once.
 */
const MAX_FEED_BYTES = 1024 * 1024;

/** A larger command uses a dedicated connection, so that other commands do not wait for it. */
const MAX_SHARED_BYTES = 4 * 1024 * 1024;
/** The slowest network for which a large commit is given enough time. */
const MIN_BYTES_PER_MS = 1_024;

/** How long to try to confirm a commit without a reply, counted from its start. */
const CONFIRM_MS = 3_000;
const CONFIRM_PAUSE_MS = 50;

/** Commits one change. Resolves once Redis has it, and never leaves it partly done. */
export const commitTo = async <Kind extends LedgerKind>(
  context: RedisContext,
  ledger: Ledger<Kind>,
  commit: Commit<Kind>,
): Promise<CommitOutcome<Kind>> => {
  const serialized = serializeCommit(ledger.kind, commit);
  const { rows, writes, audit } = serialized instanceof Promise ? await serialized : serialized;
  const nonce = newNonce(context.random);
  const staged = stageArguments(context, ledger, nonce, rowArguments(ledger.kind, rows));
  const { inline, bytes } = staged instanceof Promise ? await staged : staged;
  const args = [...scriptArguments(context, ledger, nonce, { commit, rows, audit }), ...inline];
  const send = () =>
    confirmCommit(context, () => sendCommit(context, ledger, nonce, { args, bytes }));
  let [outcome, id = '', previous = ''] = asList(await send()).map(asText);
  if (outcome === FOREIGN) {
    await mend(context, ledger);
    [outcome, id = '', previous = ''] = asList(await send()).map(asText);
    if (outcome === FOREIGN) throw foreignData(context.connections.url);
  }
  if (outcome === 'conflict') return { committed: false, actual: id };
  const { replaceAll = false } = commit;
  const change = { id, previous, writes, replaceAll };
  return { committed: true, change };
};

/** Returns the arguments in the order of scripts/commit.lua. */
const scriptArguments = <Kind extends LedgerKind>(
  { random, changeFeedLength, auditMaxEntries }: RedisContext,
  { kind }: Ledger<Kind>,
  nonce: string,
  {
    commit: { expect, replaceAll = false },
    rows,
    audit,
  }: {
    readonly commit: Commit<Kind>;
    readonly rows: readonly CommitRow[];
    readonly audit: readonly AuditDraftRow[];
  },
): readonly (string | number)[] => {
  const written = rows.filter(({ isWritten }) => isWritten);
  return [
    FORMAT,
    expect,
    newEpoch(random),
    nonce,
    replaceAll ? 1 : 0,
    changeFeedLength,
    auditMaxEntries ?? '',
    feedWrites(written),
    audit.length,
    rows.filter(({ version }) => version !== undefined).length,
    collectionsOf(kind).length,
    written.length,
    ...audit.flatMap(auditArguments),
  ];
};

/** Returns the arguments of all versions, and then those of all writes. */
function* rowArguments(kind: LedgerKind, rows: readonly CommitRow[]): Generator<Argument[], void> {
  for (const row of rows)
    for (const version of versionOfRow(row)) yield versionArguments(kind, version);
  for (const { collection, key, text, isWritten } of rows)
    if (isWritten) yield [collectionNumber(kind, collection), key, text ?? ''];
}

/** Returns the writes for the feed, or nothing if they are too large for it. */
const feedWrites = (rows: readonly WriteRow[]): string => {
  const length = rows.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
  if (length > MAX_FEED_BYTES) return '';
  const text = JSON.stringify(
    rows.map(({ collection, key, text: document }) => ({ collection, key, text: document })),
  );
  return Buffer.byteLength(text) <= MAX_FEED_BYTES ? text : '';
};

export const auditArguments = (row: AuditDraftRow) => [
  row.at,
  row.kind,
  row.key,
  row.actorId,
  row.actorName,
  row.action,
  row.text,
  row.onBehalfOf ?? '',
];

export const versionArguments = (
  kind: LedgerKind,
  { collection, key, version, text }: VersionRow,
) => [
  versionedIn(kind).findIndex(name => name === collection) + 1,
  versionField(key, version),
  text,
];

export const collectionNumber = (kind: LedgerKind, collection: string): number =>
  collectionsOf(kind).findIndex(name => name === collection) + 1;

/** Returns the keys of a script that writes a ledger, in the order of scripts/commit.lua. */
export const keysToWrite = ({ keys }: RedisContext, ledger: Ledger): readonly string[] => [
  ...keys.streams(ledger),
  ...keys.collections(ledger),
  ...keys.versions(ledger),
];

const sendCommit = (
  context: RedisContext,
  ledger: Ledger,
  nonce: string,
  { args, bytes }: { readonly args: readonly Argument[]; readonly bytes: number },
): Promise<CommandResult> => {
  const { keys } = context;
  const allKeys = [keys.staged(ledger, nonce), ...keysToWrite(context, ledger)];
  return sendLarge(context, keys.head(ledger), bytes, send =>
    runScript(send, 'commit', allKeys, args),
  );
};

/** Sends a command to the node of a key. Many bytes get a connection of their own, and enough time. */
export const sendLarge = async (
  { connections }: RedisContext,
  key: string,
  bytes: number,
  sendOn: (send: Send) => Promise<CommandResult>,
): Promise<CommandResult> => {
  if (bytes <= MAX_SHARED_BYTES) return sendOn(connections.send);
  const connection = await connections.open(key, IDLE_TIMEOUT_MS + bytes / MIN_BYTES_PER_MS);
  try {
    return await sendOn(connection.send);
  } finally {
    connection.close();
  }
};

/**
 * Sends a commit. Throws if Redis refuses this first one, because then nothing was written. If there is no
 * reply, sends it again with the same nonce: Redis makes the change if it has not been made, and otherwise
 * only confirms it.
 */
const confirmCommit = async (
  context: RedisContext,
  send: () => Promise<CommandResult>,
): Promise<unknown> => {
  const { connections, clock } = context;
  const deadline = clock.monotonic() + CONFIRM_MS;
  const first = await send();
  if (first.type === 'reply') return first.reply;
  if (first.type === 'rejected') throw first.error;
  const left = Math.max(0, deadline - clock.monotonic());
  return within(clock, left, sendAgain(context, send, deadline)).catch(() => {
    throw commitUnknown(connections.url);
  });
};

/**
 * Repeats a commit until Redis replies with its result. Any other outcome, a refusal included, does not show
 * what became of the first attempt, so it is tried again, and at the deadline the change is unknown.
 */
const sendAgain = async (
  { connections, clock }: RedisContext,
  send: () => Promise<CommandResult>,
  deadline: number,
): Promise<unknown> => {
  while (
    clock.monotonic() < deadline &&
    (await connections.waitUntilReady(deadline - clock.monotonic()))
  ) {
    const result = await send();
    if (result.type === 'reply') return result.reply;
    await pause(clock, CONFIRM_PAUSE_MS, NEVER);
  }
  throw commitUnknown(connections.url);
};

const NEVER = new AbortController().signal;
