import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import type { Random } from '../random.ts';
import type { ChangeId } from '../store/change-id.ts';
import { parseStored, RECORDS, ROWS, type DocumentRow } from '../store/documents.ts';
import type { Ledger, LedgerKind, Snapshot } from '../store/store.ts';

/**
 * The last-known-good copy of what a server serves, on its own disk: flag sets, and keys as their hashes.
 * A server that starts while the store is away serves it. It never becomes the data: nothing is ever
 * written from it to the store.
 */
export type SnapshotFiles = {
  /** Where people find them. */
  readonly directory: string;
  read<Kind extends LedgerKind>(ledger: Ledger<Kind>): Copy<Kind> | undefined;
  /** Whether there is one, be it damaged. */
  has(ledger: Ledger): boolean;
  /** Keeps what `current` answers a moment later: many changes make one copy. */
  keep<Kind extends LedgerKind>(ledger: Ledger<Kind>, current: () => Snapshot<Kind>): void;
  /** Removes a copy of what is no more. */
  remove(ledger: Ledger): void;
  /** Keeps at once what was to be kept later. */
  flush(): Promise<void>;
};

export type Copy<Kind extends LedgerKind> = {
  readonly snapshot: Snapshot<Kind>;
  /** When it was made, in milliseconds since 1970. */
  readonly at: number;
};

export type CopyParts = {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  /** A copy could not be made or read. The server goes on. */
  readonly onTrouble: (message: string) => void;
};

const KEEP_MS = 1_000;
const FORMAT = 1;
const DRAFT_NAME_LENGTH = 8;

export const openSnapshotFiles = ({
  directory,
  clock,
  random,
  onTrouble,
}: CopyParts): SnapshotFiles => {
  const waiting = new Map<string, () => Promise<void>>();
  let writing: Promise<void> = Promise.resolve();
  const pathOf = ({ kind, id }: Ledger) => join(directory, `${kind}-${id}.json`);

  const write = (path: string) => {
    const keepNow = waiting.get(path);
    waiting.delete(path);
    if (keepNow !== undefined)
      writing = writing
        .then(keepNow)
        .catch(error => onTrouble(`the copy ${path} could not be made: ${String(error)}`));
    return writing;
  };

  return {
    directory,
    read(ledger) {
      try {
        return copyIn(ledger, pathOf(ledger));
      } catch (error) {
        onTrouble(`the copy ${pathOf(ledger)} cannot be read: ${String(error)}`);
        return undefined;
      }
    },
    has: ledger => existsSync(pathOf(ledger)),
    keep(ledger, current) {
      const path = pathOf(ledger);
      if (!waiting.has(path)) clock.after(KEEP_MS, () => void write(path));
      waiting.set(path, () => {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        const draft = `${path}.${random(DRAFT_NAME_LENGTH)}`;
        return replaceFile(path, draft, textOf(ledger, current(), clock.now()));
      });
    },
    remove(ledger) {
      const path = pathOf(ledger);
      waiting.delete(path);
      writing = writing
        .then(() => rm(path, { force: true }))
        .catch(error => onTrouble(String(error)));
    },
    async flush() {
      await Promise.all([...waiting.keys()].map(write));
      await writing;
    },
  };
};

/** The first line of the file; the documents are the second. */
type Header = {
  readonly format: number;
  readonly at: string;
  readonly id: ChangeId;
  /** Of the documents' text. */
  readonly sha256: string;
};

const textOf = <Kind extends LedgerKind>(
  { kind }: Ledger<Kind>,
  { id, records }: Snapshot<Kind>,
  at: number,
): string => {
  const documents = JSON.stringify(ROWS[kind](records));
  const header = { format: FORMAT, at: formatInstant(at), id, sha256: hashOf(documents) };
  return `${JSON.stringify(header satisfies Header)}\n${documents}\n`;
};

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const copyIn = <Kind extends LedgerKind>(
  { kind }: Ledger<Kind>,
  path: string,
): Copy<Kind> | undefined => {
  const text = textIn(path);
  if (text === undefined) return undefined;
  const [first = '', documents = ''] = text.split('\n');
  const { format, at, id, sha256 } = parseStored<Header>(first, path);
  if (format !== FORMAT)
    throw new Error(`its format is ${format}, and this version reads ${FORMAT}`);
  if (sha256 !== hashOf(documents)) throw new Error('it is damaged');
  const rows = parseStored<DocumentRow[]>(documents, path);
  return { snapshot: { id, records: RECORDS[kind](rows) }, at: Date.parse(at) };
};

const textIn = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** The file is the old one or the new one, never a part of either. */
const replaceFile = async (path: string, draft: string, text: string): Promise<void> => {
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
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
