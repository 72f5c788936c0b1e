import type { DatabaseSync } from 'node:sqlite';

import type { Cell, FoldWrite, LogEntry, NewEntry } from '../event-store.ts';
import { openSideFile, type SideFile } from './side-file.ts';
import { integerColumn, textColumn } from './sql.ts';

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
  ],
};

/** The log of an environment may be as large. */
const LOG_BYTES = 2_048 * 1_048_576;

/** The operations on `events.db`. The thread that owns the database runs them, one at a time. */
export const eventOperationsIn = (directory: string) => {
  const { run, close } = openSideFile(directory, EVENTS_FILE);
  return {
    appendEvents: ({ ledger, entries }: { ledger: string; entries: readonly NewEntry[] }): void =>
      run(database => {
        const insert = database.prepare('INSERT INTO log (ledger, at, text) VALUES (?, ?, ?)');
        const id = ledgerId(database, ledger);
        for (const { at, text } of entries) insert.run(id, at, text);
      }),
    readEvents: ({ ledger, after, limit }: { ledger: string; after: string; limit: number }) =>
      run(database =>
        database
          .prepare('SELECT id, at, text FROM log WHERE ledger = ? AND id > ? ORDER BY id LIMIT ?')
          .all(ledgerId(database, ledger), Number(after), limit)
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
          const row = find.get(id, group, field);
          return row && textColumn(row, 'value');
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
              .map(row => [textColumn(row, 'field'), textColumn(row, 'value')]),
          ),
      ),
    writeFold: ({ ledger, write }: { ledger: string; write: FoldWrite }): boolean =>
      run(database => {
        if (cursorOf(database, ledger) !== write.expected) return false;
        writeCells(database, ledgerId(database, ledger), write);
        return true;
      }),
    trimEvents: (ledger: string): void => run(database => trim(database, ledger)),
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
  const cursor = row === undefined ? 0 : integerColumn(row, 'cursor');
  return cursor === 0 ? '' : idText(cursor);
};

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
  for (const { group, field } of removed) remove.run(groupId(group), field);
  for (const { group, field, value } of values) set.run(groupId(group), field, value);
  database.prepare('UPDATE ledgers SET cursor = ? WHERE id = ?').run(Number(cursor), ledger);
};

/** Removes folded entries, the oldest first, while the log is larger than it may be. */
const trim = (database: DatabaseSync, name: string): void => {
  const ledger = ledgerId(database, name);
  database
    .prepare(
      `DELETE FROM log WHERE ledger = ?1 AND id <= (
         SELECT max(id) FROM (
           SELECT id, sum(length(text)) OVER (ORDER BY id DESC) AS bytes FROM log WHERE ledger = ?1
         ) WHERE bytes > ?2
       ) AND id <= (SELECT cursor FROM ledgers WHERE id = ?1)`,
    )
    .run(ledger, LOG_BYTES);
};
