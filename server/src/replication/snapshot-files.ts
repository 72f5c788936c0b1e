import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import { errorMessage } from '../error-message.ts';
import type { Random } from '../random.ts';
import { mapInSlices, nextTurn, runInSlices } from '../slices.ts';
import type { ChangeId } from '../store/change-id.ts';
import { parseStored, recordSteps, rowsOfRecords } from '../store/serialization.ts';
import type { DocumentRow } from '../store/serialization.ts';
import type { Ledger, LedgerKind, Snapshot } from '../store/store.ts';

/**
 * Last-known-good snapshots of a shared store on this server's disk: flag sets, and API keys as hashes. A
 * server that starts while the store is unavailable serves them. They are never written back to the
 * store.
 */
export type SnapshotFiles = {
  readonly directory: string;
  /** Returns the saved snapshot, or undefined when there is none that can be read. */
  read<Kind extends LedgerKind>(ledger: Ledger<Kind>): Promise<SavedSnapshot<Kind> | undefined>;
  /** Whether there is a file, even if it is damaged. */
  has(ledger: Ledger): boolean;
  /** Saves the ledger's current snapshot after a short delay, so many changes cause one save. */
  save<Kind extends LedgerKind>(ledger: Ledger<Kind>, current: () => Snapshot<Kind>): void;
  /** Removes the snapshot of a ledger that no longer exists. */
  remove(ledger: Ledger): void;
  /** Stores that an outage of the store begins now, unless one is stored already. */
  beginOutage(): void;
  /** Removes that mark. */
  endOutage(): void;
  /** Returns when the outage began that had not ended when the previous server did, in milliseconds since 1970. */
  outageSince(): number | undefined;
  /** Completes delayed saves now. */
  flush(): Promise<void>;
};

export type SavedSnapshot<Kind extends LedgerKind> = {
  readonly snapshot: Snapshot<Kind>;
  /** In milliseconds since 1970. */
  readonly savedAt: number;
};

export type SnapshotFilesOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Called when a snapshot cannot be saved or read. The server continues without it. */
  readonly onWarning: (message: string) => void;
};

const SAVE_DELAY_MS = 1_000;
/** How long after a failed save, for example on a full disk, the snapshot is saved again. */
const RETRY_MS = 10_000;
const FORMAT = 1;
const DRAFT_NAME_LENGTH = 8;

export const openSnapshotFiles = (options: SnapshotFilesOptions): SnapshotFiles => {
  const { directory, clock, random, onWarning } = options;
  const pathOf = ({ kind, id }: Ledger) => join(directory, `${kind}-${id}.json`);
  const outagePath = join(directory, 'outage');
  const queue = createSaveQueue(clock, onWarning);
  const createDirectory = () => mkdirSync(directory, { recursive: true, mode: 0o700 });

  return {
    directory,
    has: ledger => existsSync(pathOf(ledger)),
    async read(ledger) {
      const path = pathOf(ledger);
      try {
        return existsSync(path) ? await readSnapshotFile(ledger, path) : undefined;
      } catch (error) {
        onWarning(`the snapshot ${path} cannot be read: ${errorMessage(error)}`);
        return undefined;
      }
    },
    save(ledger, current) {
      const path = pathOf(ledger);
      queue.schedule(path, () => {
        createDirectory();
        const draft = `${path}.${random(DRAFT_NAME_LENGTH)}`;
        return replaceFile(path, draft, file => writeSnapshot(file, current(), clock.now()));
      });
    },
    remove: ledger => queue.remove(pathOf(ledger)),
    beginOutage() {
      const at = formatInstant(clock.now());
      // Without the mark, the next start counts the outage from its own beginning.
      queue.run(async () => {
        try {
          createDirectory();
          await writeFile(outagePath, at, { flag: 'wx' });
        } catch {
          // There is a mark already, or none can be written.
        }
      });
    },
    endOutage: () => queue.run(() => rm(outagePath, { force: true }).catch(() => undefined)),
    outageSince: () => readInstant(outagePath),
    flush: () => queue.flush(),
  };
};

/** Writes one file at a time, each a short delay after its first change. */
const createSaveQueue = (clock: Clock, onWarning: (message: string) => void) => {
  const scheduled = new Map<string, () => Promise<void>>();
  /** The reasons of saves that failed and were not repeated successfully, by path. */
  const failures = new Map<string, string>();
  let lastWrite: Promise<void> = Promise.resolve();

  const enqueue = (path: string, work: () => Promise<void>) => {
    const run = async () => {
      try {
        await work();
        failures.delete(path);
      } catch (error) {
        fail(path, work, errorMessage(error));
      }
    };
    lastWrite = lastWrite.then(run);
    return lastWrite;
  };

  /** Tries again later, and reports each reason once. */
  const fail = (path: string, work: () => Promise<void>, reason: string) => {
    if (failures.get(path) !== reason) onWarning(`the snapshot ${path} cannot be saved: ${reason}`);
    failures.set(path, reason);
    if (scheduled.has(path)) return;
    scheduled.set(path, work);
    clock.after(RETRY_MS, () => void saveNow(path));
  };

  const saveNow = async (path: string) => {
    const save = scheduled.get(path);
    scheduled.delete(path);
    if (save !== undefined) await enqueue(path, save);
  };

  return {
    schedule(path: string, save: () => Promise<void>) {
      if (!scheduled.has(path)) clock.after(SAVE_DELAY_MS, () => void saveNow(path));
      scheduled.set(path, save);
    },
    /** Does work that does not fail, after the writes so far. */
    run(work: () => Promise<void>) {
      lastWrite = lastWrite.then(work);
    },
    remove(path: string) {
      scheduled.delete(path);
      void enqueue(path, () => rm(path, { force: true }));
    },
    async flush() {
      await Promise.all([...scheduled.keys()].map(saveNow));
      await lastWrite;
    },
  };
};

/** The first line of a file. The second line is the documents. */
type Header = {
  readonly format: number;
  readonly at: string;
  readonly id: ChangeId;
  /** Checksum of the second line. */
  readonly sha256: string;
};

/** The checksum before it is known: it has the same length. */
const NO_CHECKSUM = '0'.repeat(64);

/** Writes the documents as they are serialized, in slices, and then the header with their checksum. */
const writeSnapshot = async <Kind extends LedgerKind>(
  file: FileHandle,
  { id, records }: Snapshot<Kind>,
  savedAt: number,
): Promise<void> => {
  const headerWith = (checksum: string) => {
    const header = { format: FORMAT, at: formatInstant(savedAt), id, sha256: checksum };
    return `${JSON.stringify(header satisfies Header)}\n`;
  };
  const hash = createHash('sha256');
  await file.writeFile(headerWith(NO_CHECKSUM));
  for await (const part of documentParts(rowsOfRecords<Kind>(records))) {
    hash.update(part);
    await file.writeFile(part);
  }
  await file.writeFile('\n');
  await file.write(headerWith(hash.digest('hex')), 0);
};

const PART_LENGTH = 262_144;

/** Yields a list of documents as JSON, in parts. */
async function* documentParts(rows: Iterable<DocumentRow>): AsyncGenerator<string, void> {
  let part = '[';
  let isFirst = true;
  for (const row of rows) {
    part += `${isFirst ? '' : ','}${JSON.stringify(row)}`;
    isFirst = false;
    await nextTurn();
    if (part.length < PART_LENGTH) continue;
    yield part;
    part = '';
  }
  yield `${part}]`;
}

/** Reads a file in parts, and its documents in slices, because there may be very many. */
const readSnapshotFile = async <Kind extends LedgerKind>(
  { kind }: Ledger<Kind>,
  path: string,
): Promise<SavedSnapshot<Kind>> => {
  const file = createReadStream(path, { encoding: 'utf8', highWaterMark: PART_LENGTH });
  try {
    const { header, lists } = await readParts(file[Symbol.asyncIterator](), path);
    const rows = await mapInSlices(lists, text => parseStored<DocumentRow[]>(text, path));
    const records = await runInSlices(recordSteps(kind, rows.flat()));
    return { snapshot: { id: header.id, records }, savedAt: Date.parse(header.at) };
  } finally {
    file.destroy();
  }
};

/** Returns the header, which is in the first part, and the list of documents as lists of one each. */
const readParts = async (parts: AsyncIterator<string, undefined>, path: string) => {
  const { value: first = '' } = await parts.next();
  const [firstLine = '', start = ''] = first.split('\n', 2);
  const header = parseStored<Header>(firstLine, path);
  if (header.format !== FORMAT)
    throw new Error(`its format is ${header.format}; this version reads format ${FORMAT}`);
  const { lists, sha256 } = await readLists(start, parts);
  if (header.sha256 !== sha256) throw new Error('it is damaged');
  return { header, lists };
};

/** Ends a row and begins another one. Nothing else contains it: in the text of a document, quotes are escaped. */
const BETWEEN_ROWS = '},{"';

/** Returns the lists, and the checksum of all. */
const readLists = async (
  start: string,
  parts: AsyncIterator<string, undefined>,
): Promise<{ readonly lists: readonly string[]; readonly sha256: string }> => {
  const hash = createHash('sha256');
  const lists: string[] = [];
  let rest = '';
  for (
    let part: string | undefined = start;
    part !== undefined;
    part = (await parts.next()).value
  ) {
    const text = part.endsWith('\n') ? part.slice(0, -1) : part;
    hash.update(text);
    const texts = (rest + text).split(BETWEEN_ROWS);
    rest = texts.pop() ?? '';
    for (const each of texts) lists.push(`${each}}]`);
  }
  lists.push(rest);
  return { lists: lists.map(withStart), sha256: hash.digest('hex') };
};

const withStart = (list: string, at: number): string => (at === 0 ? list : `[{"${list}`);

const readInstant = (path: string): number | undefined => {
  try {
    return Date.parse(readFileSync(path, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
};

/** Replaces the file atomically: a crash leaves the old or the new file, never a part of one. */
const replaceFile = async (
  path: string,
  draft: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> => {
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
};
