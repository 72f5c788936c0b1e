import type { SideFile } from './side-file.ts';

/** Identifies the file as counts of Pennon in its header: the bytes of `PENU`. */
const USAGE_APPLICATION_ID = 0x50454e55;

/** The format of `usage.db`. The first script creates it; a released script never changes. */
const USAGE_MIGRATIONS: readonly string[] = [
  `
  -- The variant is '' if the application used its own default value.
  CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    ledger  TEXT NOT NULL,
    flag    TEXT NOT NULL,
    variant TEXT NOT NULL,
    reason  TEXT NOT NULL,
    UNIQUE (ledger, flag, variant, reason)
  ) STRICT;

  -- The resolution is 0 for minutes, 1 for hours, 2 for days. The unit is their number since 1970.
  CREATE TABLE counts (
    resolution INTEGER NOT NULL,
    series     INTEGER NOT NULL REFERENCES series ON DELETE CASCADE,
    unit       INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (resolution, series, unit)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE last (
    ledger TEXT NOT NULL,
    flag   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (ledger, flag)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE unknown (
    ledger TEXT NOT NULL,
    day    INTEGER NOT NULL,
    flag   TEXT NOT NULL,
    PRIMARY KEY (ledger, day, flag)
  ) STRICT, WITHOUT ROWID;

  -- What a flush or claim returned, as JSON.
  CREATE TABLE done (id TEXT PRIMARY KEY, at INTEGER NOT NULL, result TEXT NOT NULL) STRICT;

  CREATE TABLE windows (
    instance TEXT PRIMARY KEY,
    highest  INTEGER NOT NULL,
    seen     TEXT NOT NULL,
    at       INTEGER NOT NULL
  ) STRICT;
  `,
];

export const USAGE_FILE: SideFile = {
  name: 'usage.db',
  applicationId: USAGE_APPLICATION_ID,
  migrations: USAGE_MIGRATIONS,
  content: 'usage',
};
