import { revisionOf, type ChangeId } from '../change-id.ts';
import { parseStored, parseWrites, type WriteRow } from '../serialization.ts';
import { storeErrorCode, type Change, type Ledger, type LedgerKind } from '../store.ts';
import { IDLE_TIMEOUT_MS } from './clients.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import type { Send } from './connections.ts';
import { mend } from './mend.ts';
import { asList, asText, optional } from './reply.ts';

/** How long one XREAD waits for a change. After that the follower checks that its last change is valid. */
const BLOCK_MS = 1_000;
const MAX_CHANGES_PER_READ = 50;

/** An entry of the feed. Without a change if the change was too large for the feed, or is not one of Pennon. */
type Entry<Kind extends LedgerKind> = {
  readonly position: string;
  readonly isForeign: boolean;
  readonly change: Change<Kind> | undefined;
};

/**
 * Yields a ledger's changes, over a dedicated connection so that ledgers do not wait for each other. The
 * stream contains recent changes, so everything after `after` is there even if the first read is late.
 *
 * A blocked XREAD is not notified if the stream is trimmed, dropped or created again, or if a failover
 * loses changes. So whenever a read times out, the follower checks that its last change is still part of
 * the ledger's history. If not, the feed ends and the caller reads the ledger again.
 */
export async function* followLedger<Kind extends LedgerKind>(
  context: RedisContext,
  ledger: Ledger<Kind>,
  after: ChangeId,
  signal: AbortSignal,
): AsyncGenerator<Change<Kind>, void> {
  const { connections, keys } = context;
  if (signal.aborted) return;
  const changes = keys.changes(ledger);
  const connection = await connections.open(changes, BLOCK_MS + IDLE_TIMEOUT_MS);
  signal.addEventListener('abort', connection.close);
  if (signal.aborted) connection.close();
  try {
    const stream = {
      send: connection.send,
      head: keys.head(ledger),
      changes,
      mend: () => mend(context, ledger),
    };
    for await (const change of readChanges(stream, ledger.kind, after)) {
      if (signal.aborted) return;
      yield change;
    }
  } catch (error) {
    if (signal.aborted) return;
    // Something else may have replaced the stream.
    if (storeErrorCode(error) !== 'corrupt' || !(await mend(context, ledger))) throw error;
  } finally {
    signal.removeEventListener('abort', connection.close);
    connection.close();
  }
}

type ChangeStream = {
  readonly send: Send;
  readonly head: string;
  readonly changes: string;
  /** Removes foreign entries that are newer than the last change. Returns whether there were any. */
  readonly mend: () => Promise<boolean>;
};

async function* readChanges<Kind extends LedgerKind>(
  stream: ChangeStream,
  kind: Kind,
  after: ChangeId,
): AsyncGenerator<Change<Kind>, void> {
  // If Redis does not have this change, start with the oldest one. Its `previous` shows the gap.
  let last = (await containsChange(stream, after)) ? after : 'none';
  let position = `${revisionOf(last)}-0`;
  for (;;) {
    const entries = await readEntries(stream, kind, position);
    for (const entry of entries) {
      if (entry.isForeign) {
        // What is not removed is older than the last change, so no change comes before it.
        if (!(await stream.mend())) position = entry.position;
        break;
      }
      if (entry.change === undefined) return;
      yield entry.change;
      last = entry.change.id;
      position = entry.position;
    }
    if (entries.length === 0 && !(await containsChange(stream, last))) return;
  }
}

const containsChange = async (
  { send, head, changes }: ChangeStream,
  id: ChangeId,
): Promise<boolean> => {
  const reply = runScript(send, 'containsChange', [head, changes], [id, revisionOf(id)]);
  return (await replyOf(reply)) === 1;
};

const readEntries = async <Kind extends LedgerKind>(
  { send, changes }: ChangeStream,
  kind: Kind,
  position: string,
): Promise<readonly Entry<Kind>[]> => {
  const options = ['BLOCK', BLOCK_MS, 'COUNT', MAX_CHANGES_PER_READ, 'STREAMS'];
  const reply = await replyOf(send('xread', [...options, changes, position]));
  const [stream] = optional(reply, asList) ?? [];
  const [, entries] = optional(stream, asList) ?? [];
  return (optional(entries, asList) ?? []).map(entry => parseEntry(kind, asList(entry)));
};

const parseEntry = <Kind extends LedgerKind>(
  kind: Kind,
  [id, values]: readonly unknown[],
): Entry<Kind> => {
  const position = asText(id);
  const fields = asList(values).map(asText);
  const [name, changeId = ''] = fields;
  const isForeign = name !== 'id' || position !== `${revisionOf(changeId)}-0`;
  return { position, isForeign, change: isForeign ? undefined : parseChange(kind, fields) };
};

/** The fields of an entry are names and values in turn: id, previous, replaceAll and writes. */
const parseChange = <Kind extends LedgerKind>(
  kind: Kind,
  fields: readonly string[],
): Change<Kind> | undefined => {
  const [, id = '', , previous = '', , replaceAll, , writes = ''] = fields;
  if (writes === '') return undefined;
  const rows = parseStored<WriteRow[]>(writes, `change/${id}`);
  return { id, previous, writes: parseWrites(kind, rows), replaceAll: replaceAll === '1' };
};
