/** Identifies the file as a Pennon database in its header: the bytes of `PENN`. */
export const APPLICATION_ID = 0x50454e4e;

/**
 * The nth script migrates a database from format n-1 to format n; the first one creates it. The format is
 * stored in the file's `user_version`. A released script never changes.
 *
 * `document` and `entry` are JSON text. Keys are in byte order, SQLite's default. An audit entry's `number`
 * is never reused. Every index of the audit log ends in `number, at`, so any search reads its index from
 * the newest entry, checks the time there, needs no sort and stops at its limit.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE ledgers (
    number INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    head   TEXT NOT NULL,
    UNIQUE (kind, id)
  ) STRICT;

  CREATE TABLE documents (
    ledger     INTEGER NOT NULL REFERENCES ledgers ON DELETE CASCADE,
    collection TEXT NOT NULL,
    key        TEXT NOT NULL,
    change_id  TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (ledger, collection, key)
  ) STRICT;

  CREATE TABLE audit (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    ledger     INTEGER NOT NULL REFERENCES ledgers ON DELETE CASCADE,
    revision   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action     TEXT NOT NULL,
    entry      TEXT NOT NULL
  ) STRICT;

  CREATE INDEX audit_all           ON audit (ledger, number, at);
  CREATE INDEX audit_by_subject    ON audit (ledger, kind, key, number, at);
  CREATE INDEX audit_by_actor_id   ON audit (ledger, actor_id, number, at);
  CREATE INDEX audit_by_actor_name ON audit (ledger, actor_name, number, at);
  CREATE INDEX audit_by_action     ON audit (ledger, action, number, at);
  `,
  `
  CREATE TABLE versions (
    ledger     INTEGER NOT NULL REFERENCES ledgers ON DELETE CASCADE,
    collection TEXT NOT NULL,
    key        TEXT NOT NULL,
    version    INTEGER NOT NULL,
    entry      TEXT NOT NULL,
    PRIMARY KEY (ledger, collection, key, version)
  ) STRICT;

  ALTER TABLE audit ADD COLUMN on_behalf_of TEXT;
  UPDATE audit SET on_behalf_of = json_extract(entry, '$.actor.onBehalfOf');
  CREATE INDEX audit_by_on_behalf_of ON audit (ledger, on_behalf_of, number, at);
  `,
];

/** The format that this version reads and writes. */
export const FORMAT = MIGRATIONS.length;
