import type { DatabaseSync } from 'node:sqlite';

import {
  EMPTY_WINDOW,
  KEEP_UNKNOWN_MS,
  MAX_UNKNOWN_A_DAY,
  REPEAT_MS,
  retentionStart,
  unitStart,
  usageReasonOf,
  USAGE_RESOLUTIONS,
  USAGE_RESOLUTION_NAMES,
  withReport,
  type ReportId,
  type UsageClaim,
  type UsageCount,
  type UsageFlush,
  type UsageLedger,
  type UsageQuery,
  type UsageResolution,
} from '../usage-store.ts';
import { integerColumn, textColumn, type Row } from './sql.ts';
import { openSideFile } from './side-file.ts';
import { USAGE_FILE } from './usage-format.ts';

/** The operations on `usage.db`. The thread that owns the database runs them, one at a time. */
export const usageOperationsIn = (directory: string) => {
  const { run, close } = openSideFile(directory, USAGE_FILE);
  let trimmedAt = -Infinity;
  return {
    addUsage: (flush: UsageFlush): void =>
      run(database => {
        if (resultOf(database, flush.id) !== undefined) return;
        add(database, flush);
        saveResult(database, flush, []);
        if (flush.now - trimmedAt < TRIM_MS) return;
        trim(database, flush.now);
        trimmedAt = flush.now;
      }),
    claimUsage: (claim: UsageClaim): readonly boolean[] =>
      run(database => {
        const known = resultOf(database, claim.id);
        if (known !== undefined) return known;
        const isNew = claim.reports.map(report => claimOne(database, report, claim.now));
        saveResult(database, claim, isNew);
        return isNew;
      }),
    readUsage: ({ ledger, query }: { ledger: UsageLedger; query: UsageQuery }) =>
      run(database => read(database, ledger, query)),
    lastEvaluated: ({ id }: UsageLedger): ReadonlyMap<string, number> =>
      run(
        database =>
          new Map(
            database
              .prepare('SELECT flag, at FROM last WHERE ledger = ?')
              .all(id)
              .map(row => [textColumn(row, 'flag'), integerColumn(row, 'at')]),
          ),
      ),
    unknownFlags: ({ ledger, since }: { ledger: UsageLedger; since: number }): readonly string[] =>
      run(database =>
        database
          .prepare('SELECT DISTINCT flag FROM unknown WHERE ledger = ? AND day >= ?')
          .all(ledger.id, unitStart('day', since))
          .map(row => textColumn(row, 'flag')),
      ),
    clearUsage: ({ id }: UsageLedger): void =>
      run(database => {
        for (const table of ['series', 'last', 'unknown'])
          database.prepare(`DELETE FROM ${table} WHERE ledger = ?`).run(id);
      }),
    closeUsage: close,
  };
};

/** How often to remove what is too old. */
const TRIM_MS = 3_600_000;

const placeOf = (resolution: UsageResolution): number => USAGE_RESOLUTION_NAMES.indexOf(resolution);

const unitOf = (resolution: UsageResolution, at: number): number =>
  Math.floor(at / USAGE_RESOLUTIONS[resolution].unitMs);

const add = (database: DatabaseSync, { ledger, counts, unknown, now }: UsageFlush): void => {
  const series = database.prepare(
    `INSERT INTO series (ledger, flag, variant, reason) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET reason = excluded.reason RETURNING id`,
  );
  const count = database.prepare(
    `INSERT INTO counts (resolution, series, unit, count) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET count = count + excluded.count`,
  );
  const last = database.prepare(
    `INSERT INTO last (ledger, flag, at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET at = max(at, excluded.at)`,
  );
  for (const each of counts) {
    const { id } = series.get(ledger.id, each.flag, each.variant ?? '', each.reason) ?? {};
    for (const resolution of USAGE_RESOLUTION_NAMES)
      count.run(placeOf(resolution), Number(id), unitOf(resolution, each.at), each.count);
    last.run(ledger.id, each.flag, unitStart('minute', each.at));
  }
  addUnknown(database, ledger, { keys: unknown, day: unitStart('day', now) });
};

const addUnknown = (
  database: DatabaseSync,
  { id }: UsageLedger,
  { keys, day }: { readonly keys: readonly string[]; readonly day: number },
): void => {
  const statement = database.prepare(
    `INSERT OR IGNORE INTO unknown (ledger, day, flag) SELECT ?1, ?2, ?3
     WHERE (SELECT count(*) FROM unknown WHERE ledger = ?1 AND day = ?2) < ${MAX_UNKNOWN_A_DAY}`,
  );
  for (const key of keys) statement.run(id, day, key);
};

const claimOne = (
  database: DatabaseSync,
  { instance, sequence }: ReportId,
  now: number,
): boolean => {
  const row = database
    .prepare('SELECT highest, seen FROM windows WHERE instance = ? AND at >= ?')
    .get(instance, now - REPEAT_MS);
  const known = row && { highest: integerColumn(row, 'highest'), seen: textColumn(row, 'seen') };
  const next = withReport(known ?? EMPTY_WINDOW, sequence);
  if (next === undefined) return false;
  database
    .prepare('INSERT OR REPLACE INTO windows (instance, highest, seen, at) VALUES (?, ?, ?, ?)')
    .run(instance, next.highest, next.seen, now);
  return true;
};

const resultOf = (database: DatabaseSync, id: string): boolean[] | undefined => {
  const row = database.prepare('SELECT result FROM done WHERE id = ?').get(id);
  return row && Array.from(textColumn(row, 'result'), each => each === '1');
};

const saveResult = (
  database: DatabaseSync,
  { id, now }: { readonly id: string; readonly now: number },
  result: readonly boolean[],
): void => {
  database
    .prepare('INSERT INTO done (id, at, result) VALUES (?, ?, ?)')
    .run(id, now, result.map(each => (each ? '1' : '0')).join(''));
  database.prepare('DELETE FROM done WHERE at < ?').run(now - REPEAT_MS);
};

const read = (
  database: DatabaseSync,
  { id }: UsageLedger,
  { flag, resolution, from, until }: UsageQuery,
): UsageCount[] =>
  database
    .prepare(
      `SELECT variant, reason, unit, count FROM counts JOIN series ON id = series
       WHERE ledger = ? AND flag = ? AND resolution = ? AND unit >= ? AND unit < ? ORDER BY unit`,
    )
    .all(
      id,
      flag,
      placeOf(resolution),
      Math.ceil(from / USAGE_RESOLUTIONS[resolution].unitMs),
      Math.ceil(until / USAGE_RESOLUTIONS[resolution].unitMs),
    )
    .map(row => countOf(flag, resolution, row));

const countOf = (flag: string, resolution: UsageResolution, row: Row): UsageCount => ({
  flag,
  variant: textColumn(row, 'variant') || null,
  reason: usageReasonOf(textColumn(row, 'reason')),
  at: integerColumn(row, 'unit') * USAGE_RESOLUTIONS[resolution].unitMs,
  count: integerColumn(row, 'count'),
});

const trim = (database: DatabaseSync, now: number): void => {
  const counts = database.prepare('DELETE FROM counts WHERE resolution = ? AND unit < ?');
  for (const resolution of USAGE_RESOLUTION_NAMES)
    counts.run(placeOf(resolution), unitOf(resolution, retentionStart(resolution, now)));
  database.prepare('DELETE FROM last WHERE at < ?').run(retentionStart('day', now));
  database.prepare('DELETE FROM unknown WHERE day < ?').run(now - KEEP_UNKNOWN_MS);
  database.prepare('DELETE FROM windows WHERE at < ?').run(now - REPEAT_MS);
  database.exec('DELETE FROM series WHERE id NOT IN (SELECT series FROM counts)');
};
