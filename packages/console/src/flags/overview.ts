import type { ApiOutputs } from '@pennon/client';

/** All flags side by side, in the order of their keys. */
export type Overview = ApiOutputs['flags']['overview'];

/** A flag in all environments. */
export type Row = Overview['flags'][number];

/** The fields of a flag in one environment that the list shows. */
export type Cell = NonNullable<Row['cells'][string]>;

export type Environment = Overview['environments'][number];

/** Returns the environment that matters most, for windows that have room for one only. */
export const mainEnvironment = (environments: readonly Environment[]): Environment | undefined =>
  environments.find(({ key }) => key === 'production') ?? environments.at(-1);

/** Returns the environment that an address names. Without one that exists, it is the main one. */
export const shownEnvironment = (
  environments: readonly Environment[],
  named: string | undefined,
): Environment | undefined =>
  environments.find(({ key }) => key === named) ?? mainEnvironment(environments);

/** Rows that have changed, by key; null for a flag that no environment has. */
export type RowChanges = Readonly<Record<string, Row | null>>;

/** Keys have numbers as people count: flag-2 is before flag-10. */
const collator = new Intl.Collator('en', { numeric: true });

const byKey = (a: Row, b: Row): number =>
  collator.compare(a.key, b.key) || (a.key < b.key ? -1 : 1);

/** Returns the overview with its flags in the order of the list. */
export const inOrder = (overview: Overview): Overview => ({
  ...overview,
  flags: overview.flags.toSorted(byKey),
});

/** Returns the overview with some rows replaced. Rows that have not changed stay the same objects. */
export const withRows = (overview: Overview, changes: RowChanges): Overview => {
  const flags = overview.flags.flatMap(row =>
    Object.hasOwn(changes, row.key) ? (changes[row.key] ?? []) : [row],
  );
  const known = new Set(overview.flags.map(({ key }) => key));
  const added = Object.values(changes).flatMap(row =>
    row === null || known.has(row.key) ? [] : [row],
  );
  return {
    ...overview,
    // The others are in order.
    flags: added.length === 0 ? flags : [...flags, ...added].toSorted(byKey),
  };
};

/** Returns the overview with some flags enabled or disabled in an environment, as the server has confirmed. */
export const withEnabled = (
  overview: Overview,
  {
    environment,
    keys,
    enabled,
  }: { readonly environment: string; readonly keys: readonly string[]; readonly enabled: boolean },
): Overview => {
  const changes = overview.flags.flatMap(row => {
    const cell = row.cells[environment];
    return cell && keys.includes(row.key)
      ? [
          [
            row.key,
            { ...row, cells: { ...row.cells, [environment]: { ...cell, enabled } } },
          ] as const,
        ]
      : [];
  });
  return withRows(overview, Object.fromEntries(changes));
};

/** Returns the time of the last change in any environment, or an empty text. ISO times sort as texts. */
export const updatedAt = ({ cells }: Row): string =>
  Object.values(cells).reduce(
    (last, cell) => (cell && cell.updatedAt > last ? cell.updatedAt : last),
    '',
  );

/** Returns the overview without a flag in one environment, as the server has confirmed. */
export const withoutFlag = (overview: Overview, environment: string, key: string): Overview => {
  const row = overview.flags.find(each => each.key === key);
  if (row === undefined) return overview;
  const cells = { ...row.cells, [environment]: null };
  const isLast = Object.values(cells).every(cell => cell === null);
  return withRows(overview, { [key]: isLast ? null : { ...row, cells } });
};
