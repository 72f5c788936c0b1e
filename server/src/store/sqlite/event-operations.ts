import type { DatabaseSync } from 'node:sqlite';

import {
  entryOf,
  type Cell,
  type FoldWrite,
  type GroupNames,
  type LogEntry,
  type NewEntry,
} from '../event-store.ts';
import { openSideFile, type SideFile } from './side-file.ts';
import { bytesColumn, integerColumn, textColumn } from './sql.ts';

/** "PNev" in ASCII. */
const APPLICATION_ID = 0x50_4e_65_76;

const EVENTS_FILE: SideFile = {
  name: 'events.db',
  applicationId: APPLICATION_ID,
  content: 'events',
  migrations: [
    `
    CREATE TABLE ledgers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cursor INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE TABLE log (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      ledger INTEGER NOT NULL REFERENCES ledgers (id) ON DELETE CASCADE,
      at INTEGER NOT NULL,
      text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX log_of_ledger ON log (ledger, id);
    CREATE TABLE groups (
      id INTEGER PRIMARY KEY,
      ledger INTEGER NOT NULL REFERENCES ledgers (id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      UNIQUE (ledger, name)
    ) STRICT;
    CREATE TABLE cells (
      owner INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
      field TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (owner, field)
    ) STRICT, WITHOUT ROWID;
    `,
    // Values are bytes. They are folded again.
    `
    DROP TABLE cells;
    DELETE FROM groups;
    CREATE TABLE cells (
      owner INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
      field BLOB NOT NULL,
      value BLOB NOT NULL,
      PRIMARY KEY (owner, field)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE ledgers DROP COLUMN cursor;
    ALTER TABLE ledgers ADD COLUMN cursor TEXT NOT NULL DEFAULT '';
    ALTER TABLE ledgers ADD COLUMN log_bytes INTEGER NOT NULL DEFAULT 0;
    UPDATE ledgers SET log_bytes =
      (SELECT coalesce(sum(octet_length(text)), 0) FROM log WHERE ledger = ledgers.id);
    `,
  ],
};

/** So many names of groups are read at once. */
const READ_GROUPS = 1_000;

/** The operations on `events.db`. The thread that owns the database runs them, one at a time. */
export const eventOperationsIn = (directory: string) => {
  const { run, close } = openSideFile(directory, EVENTS_FILE);
  return {
    appendEvents: ({ ledger, entries }: { ledger: string; entries: readonly NewEntry[] }): void =>
      run(database => {
        const insert = database.prepare('INSERT INTO log (ledger, at, text) VALUES (?, ?, ?)');
        const id = ledgerId(database, ledger);
        for (const { at, text } of entries) insert.run(id, at, text);
        const bytes = entries.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
        addLogBytes(database, id, bytes);
      }),
    readEvents: ({ ledger, after, limit }: { ledger: string; after: string; limit: number }) =>
      run(database =>
        database
          .prepare('SELECT id, at, text FROM log WHERE ledger = ? AND id > ? ORDER BY id LIMIT ?')
          .all(ledgerId(database, ledger), Number(entryOf(after)), limit)
          .map((row): LogEntry => ({
            id: idText(integerColumn(row, 'id')),
            at: integerColumn(row, 'at'),
            text: textColumn(row, 'text'),
          })),
      ),
    eventCursor: (ledger: string): string => run(database => cursorOf(database, ledger)),
    loadCells: ({ ledger, cells }: { ledger: string; cells: readonly Cell[] }) =>
      run(database => {
        const find = database.prepare(
          `SELECT value FROM cells JOIN groups ON owner = groups.id
           WHERE ledger = ? AND name = ? AND field = ?`,
        );
        const id = ledgerId(database, ledger);
        return cells.map(({ group, field }) => {
          const row = find.get(id, group, toBytes(field));
          return row && bytesColumn(row, 'value');
        });
      }),
    loadGroup: ({ ledger, group }: { ledger: string; group: string }): Map<string, string> =>
      run(
        database =>
          new Map(
            database
              .prepare(
                `SELECT field, value FROM cells JOIN groups ON owner = groups.id
                 WHERE ledger = ? AND name = ?`,
              )
              .all(ledgerId(database, ledger), group)
              .map(row => [bytesColumn(row, 'field'), bytesColumn(row, 'value')]),
          ),
      ),
    groupNames: ({ ledger, from }: { ledger: string; from: string }): GroupNames =>
      run(database => {
        const names = database
          .prepare(
            `SELECT name FROM groups WHERE ledger = ? AND name > ? ORDER BY name LIMIT ${READ_GROUPS}`,
          )
          .all(ledgerId(database, ledger), from)
          .map(row => textColumn(row, 'name'));
        const next = names.length === READ_GROUPS ? names.at(-1) : undefined;
        return { names, ...(next !== undefined && { next }) };
      }),
    writeFold: ({ ledger, write }: { ledger: string; write: FoldWrite }): boolean =>
      run(database => {
        if (cursorOf(database, ledger) !== write.expected) return false;
        writeCells(database, ledgerId(database, ledger), write);
        return true;
      }),
    trimEvents: ({ ledger, bytes }: { ledger: string; bytes: number }): void =>
      run(database => trim(database, ledger, bytes)),
    clearEvents: (ledger: string): void =>
      run(database => {
        database.prepare('DELETE FROM ledgers WHERE name = ?').run(ledger);
      }),
    closeEvents: close,
  };
};

/** Ids have the order of their numbers as texts. */
const ID_LENGTH = 16;
const idText = (id: number): string => String(id).padStart(ID_LENGTH, '0');

const ledgerId = (database: DatabaseSync, name: string): number => {
  const row = database
    .prepare(
      'INSERT INTO ledgers (name) VALUES (?) ON CONFLICT DO UPDATE SET name = name RETURNING id',
    )
    .get(name);
  return Number(row?.['id']);
};

const cursorOf = (database: DatabaseSync, name: string): string => {
  const row = database.prepare('SELECT cursor FROM ledgers WHERE name = ?').get(name);
  return row === undefined ? '' : textColumn(row, 'cursor');
};

const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const addLogBytes = (database: DatabaseSync, ledger: number, bytes: number): void =>
  void database
    .prepare('UPDATE ledgers SET log_bytes = log_bytes + ? WHERE id = ?')
    .run(bytes, ledger);

const writeCells = (
  database: DatabaseSync,
  ledger: number,
  { cursor, values, removed, removedGroups }: FoldWrite,
): void => {
  const findGroup = database.prepare(
    'INSERT INTO groups (ledger, name) VALUES (?, ?) ON CONFLICT DO UPDATE SET name = name RETURNING id',
  );
  const groups = new Map<string, number>();
  const groupId = (name: string): number => {
    const id = groups.get(name) ?? Number(findGroup.get(ledger, name)?.['id']);
    groups.set(name, id);
    return id;
  };
  const removeGroup = database.prepare('DELETE FROM groups WHERE ledger = ? AND name = ?');
  const remove = database.prepare('DELETE FROM cells WHERE owner = ? AND field = ?');
  const set = database.prepare(
    'INSERT OR REPLACE INTO cells (owner, field, value) VALUES (?, ?, ?)',
  );
  for (const group of removedGroups) removeGroup.run(ledger, group);
  for (const { group, field } of removed) remove.run(groupId(group), toBytes(field));
  for (const { group, field, value } of values)
    set.run(groupId(group), toBytes(field), toBytes(value));
  database.prepare('UPDATE ledgers SET cursor = ? WHERE id = ?').run(cursor, ledger);
};

/** So many entries are looked at, at once. */
const TRIMMED_ENTRIES = 1_000;

/** Removes folded entries, the oldest first, while the log is larger than it may be. */
const trim = (database: DatabaseSync, name: string, maxBytes: number): void => {
  const ledger = ledgerId(database, name);
  const size = database.prepare('SELECT log_bytes FROM ledgers WHERE id = ?');
  const excess = integerColumn(size.get(ledger), 'log_bytes') - maxBytes;
  if (excess <= 0) return;
  const oldest = database
    .prepare(
      `SELECT id, octet_length(text) AS bytes FROM log
       WHERE ledger = ? AND id <= ? ORDER BY id LIMIT ${TRIMMED_ENTRIES}`,
    )
    .all(ledger, Number(entryOf(cursorOf(database, name))));
  let [last, removed] = [0, 0];
  for (const row of oldest) {
    if (removed >= excess) break;
    last = integerColumn(row, 'id');
    removed += integerColumn(row, 'bytes');
  }
  database.prepare('DELETE FROM log WHERE ledger = ? AND id <= ?').run(ledger, last);
  addLogBytes(database, ledger, -removed);
};
