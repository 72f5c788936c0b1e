import { revisionOf, type ChangeId } from '../change-id.ts';
import { parseStored, parseWrites, type WriteRow } from '../serialization.ts';
import type { Change, Ledger, LedgerKind } from '../store.ts';
import { SILENCE_MS, type Send } from './connections.ts';
import { replyOf, run, type RedisContext } from './context.ts';
import { listOf, orNothing, textOf } from './reply.ts';

/** How long Redis keeps a reader waiting for a change. After that the reader makes sure of its place. */
const WAIT_MS = 1_000;
const CHANGES_AT_ONCE = 50;

/** An entry of the feed; one without a change was too large to be carried. */
type Entry<Kind extends LedgerKind> = {
  readonly position: string;
  readonly change: Change<Kind> | undefined;
};

/**
 * A ledger's changes, over a connection of its own: no ledger waits for another. The feed holds what
 * was committed lately, so whatever comes after `after` is there, however late the first is asked for.
 *
 * Redis tells a waiting reader nothing of a feed that was trimmed, dropped or begun anew, nor of changes
 * that a failover has lost: so each time that nothing came, the reader asks whether its last change is
 * still part of the ledger's history. Where it is not the feed ends, and the caller reads anew.
 */
export async function* followLedger<Kind extends LedgerKind>(
  { connections, keys }: RedisContext,
  ledger: Ledger<Kind>,
  after: ChangeId,
  signal: AbortSignal,
): AsyncGenerator<Change<Kind>, void> {
  if (signal.aborted) return;
  const own = await connections.open(keys.changes(ledger), WAIT_MS + SILENCE_MS);
  signal.addEventListener('abort', own.close);
  if (signal.aborted) own.close();
  try {
    const feed = { send: own.send, head: keys.head(ledger), changes: keys.changes(ledger) };
    for await (const change of changesOf(feed, ledger.kind, after)) {
      if (signal.aborted) return;
      yield change;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', own.close);
    own.close();
  }
}

type Feed = { readonly send: Send; readonly head: string; readonly changes: string };

async function* changesOf<Kind extends LedgerKind>(
  feed: Feed,
  kind: Kind,
  after: ChangeId,
): AsyncGenerator<Change<Kind>, void> {
  // From a change that Redis does not know: whatever the feed has. Its first change is the gap.
  let last = (await isKnown(feed, after)) ? after : 'none';
  let position = `${revisionOf(last)}-0`;
  for (;;) {
    const entries = await readEntries(feed, kind, position);
    for (const entry of entries) {
      if (entry.change === undefined) return;
      yield entry.change;
      last = entry.change.id;
      position = entry.position;
    }
    if (entries.length === 0 && !(await isKnown(feed, last))) return;
  }
}

const isKnown = async ({ send, head, changes }: Feed, id: ChangeId): Promise<boolean> =>
  (await replyOf(run(send, 'known', [head, changes], [id, revisionOf(id)]))) === 1;

const readEntries = async <Kind extends LedgerKind>(
  { send, changes }: Feed,
  kind: Kind,
  position: string,
): Promise<readonly Entry<Kind>[]> => {
  const options = ['BLOCK', WAIT_MS, 'COUNT', CHANGES_AT_ONCE, 'STREAMS'];
  const reply = await replyOf(send('xread', [...options, changes, position]));
  const [stream] = orNothing(reply, listOf) ?? [];
  const [, entries] = orNothing(stream, listOf) ?? [];
  return (orNothing(entries, listOf) ?? []).map(entry => entryOf(kind, listOf(entry)));
};

const entryOf = <Kind extends LedgerKind>(
  kind: Kind,
  [position, fields]: readonly unknown[],
): Entry<Kind> => ({
  position: textOf(position),
  change: changeOf(kind, listOf(fields).map(textOf)),
});

/** The fields of an entry are id, previous, replaceAll and writes, each behind its name. */
const changeOf = <Kind extends LedgerKind>(
  kind: Kind,
  fields: readonly string[],
): Change<Kind> | undefined => {
  const [, id = '', , previous = '', , replaceAll, , writes = ''] = fields;
  if (writes === '') return undefined;
  const rows = parseStored<WriteRow[]>(writes, `change/${id}`);
  return { id, previous, writes: parseWrites(kind, rows), replaceAll: replaceAll === '1' };
};
