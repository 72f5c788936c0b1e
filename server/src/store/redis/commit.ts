import { pause, within } from '../../clock.ts';
import {
  serializeAuditDraft,
  serializeWrites,
  parseWrites,
  type AuditDraftRow,
  type WriteRow,
} from '../serialization.ts';
import type { Commit, CommitOutcome, Ledger, LedgerKind } from '../store.ts';
import { SILENCE_MS, type Answer, type Connections } from './connections.ts';
import { collectionsOf, FORMAT } from './keys.ts';
import { run, type RedisContext } from './context.ts';
import { listOf, textOf } from './reply.ts';
import { unsettled } from './errors.ts';

const EPOCH_LENGTH = 12;
const NONCE_LENGTH = 8;

/**
 * The most that the change feed carries of one change. A larger one reaches followers as a gap, and they
 * read the ledger anew: the feed's memory stays bounded, and so does what a follower gets at once.
 */
const CARRIED_BYTES = 1024 * 1024;

/** A commit larger than this has a connection of its own, so that others do not wait behind it. */
const SHARED_BYTES = 4 * 1024 * 1024;
/** The slowest network that a large commit is given time for. */
const BYTES_PER_MS = 1_024;

/** How long a commit that got no answer is tried to be settled, from its beginning on. */
const SETTLE_MS = 3_000;
const SETTLE_PAUSE_MS = 50;

/** Commits one change; answers once Redis has, and never leaves it half done. */
export const commitTo = async <Kind extends LedgerKind>(
  parts: RedisContext,
  ledger: Ledger<Kind>,
  { expect, writes, audit, replaceAll = false }: Commit<Kind>,
): Promise<CommitOutcome<Kind>> => {
  const rows = serializeWrites(writes);
  const args = argumentsOf(parts, ledger, expect, replaceAll, rows, audit.map(serializeAuditDraft));
  const reply = await settle(parts, () => attempt(parts, ledger, args));
  const [outcome, id = '', previous = ''] = listOf(reply).map(textOf);
  if (outcome === 'refused') return { committed: false, actual: id };
  const change = { id, previous, writes: parseWrites(ledger.kind, rows), replaceAll };
  return { committed: true, change };
};

/** In the order that scripts/commit.lua says. */
const argumentsOf = (
  { random, changeFeedLength, auditMaxEntries }: RedisContext,
  { kind }: Ledger,
  expect: string,
  replaceAll: boolean,
  rows: readonly WriteRow[],
  audit: readonly AuditDraftRow[],
): readonly (string | number)[] => {
  const carried = JSON.stringify(rows);
  return [
    FORMAT,
    expect,
    random(EPOCH_LENGTH),
    random(NONCE_LENGTH),
    replaceAll ? 1 : 0,
    changeFeedLength,
    auditMaxEntries ?? '',
    Buffer.byteLength(carried) <= CARRIED_BYTES ? carried : '',
    audit.length,
    ...audit.flatMap(auditArguments),
    ...rows.flatMap(row => [numberOf(kind, row.collection), row.key, row.text ?? '']),
  ];
};

const auditArguments = (row: AuditDraftRow) => [
  row.at,
  row.kind,
  row.key,
  row.actorId,
  row.actorName,
  row.action,
  row.text,
];

const numberOf = (kind: LedgerKind, collection: string): number =>
  collectionsOf(kind).findIndex(name => name === collection) + 1;

const attempt = (
  { connections, keys }: RedisContext,
  ledger: Ledger,
  args: readonly (string | number)[],
): Promise<Answer> => {
  const all = [
    keys.head(ledger),
    keys.changes(ledger),
    keys.audit(ledger),
    ...keys.collections(ledger),
  ];
  const bytes = args.reduce<number>((sum, each) => sum + Buffer.byteLength(String(each)), 0);
  if (bytes <= SHARED_BYTES) return run(connections.send, 'commit', all, args);
  return attemptAlone(connections, bytes, all, args);
};

const attemptAlone = async (
  connections: Connections,
  bytes: number,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<Answer> => {
  const [head = ''] = keys;
  const own = await connections.open(head, SILENCE_MS + bytes / BYTES_PER_MS);
  try {
    return await run(own.send, 'commit', keys, args);
  } finally {
    own.close();
  }
};

/**
 * A commit that got no answer may have been made. It is sent again, the same with the same nonce: Redis
 * makes it if it was not made, and only says so if it was. Where Redis stays away, nobody knows.
 */
const settle = async (parts: RedisContext, send: () => Promise<Answer>): Promise<unknown> => {
  const { connections, clock } = parts;
  const until = clock.now() + SETTLE_MS;
  const first = await send();
  if (first.type === 'reply') return first.reply;
  if (first.type === 'refused') throw first.error;
  const left = Math.max(0, until - clock.now());
  return within(clock, left, sendAgain(parts, send, until)).catch(() => {
    throw unsettled(connections.place);
  });
};

const sendAgain = async (
  { connections, clock }: RedisContext,
  send: () => Promise<Answer>,
  until: number,
): Promise<unknown> => {
  while (clock.now() < until && (await connections.reachable(until - clock.now()))) {
    const again = await send();
    if (again.type === 'reply') return again.reply;
    await pause(clock, SETTLE_PAUSE_MS, NEVER);
  }
  throw unsettled(connections.place);
};

const NEVER = new AbortController().signal;
