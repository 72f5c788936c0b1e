import type { Environment, Flag, Rule, SplitEntry } from '@pennon/schema';

import { formatInstant } from '../clock.ts';
import { once } from '../once.ts';
import { mapSteps, type Steps } from '../slices.ts';
import { revisionOf } from '../store/change-id.ts';
import type { Snapshot } from '../store/store.ts';

/** One environment of an overview, and its flags at one revision. */
export type Column = {
  readonly environment: Environment;
  readonly snapshot: Snapshot<'flagSet'>;
  /** The minute of the last evaluation by flag, in milliseconds since 1970. */
  readonly lastEvaluated: ReadonlyMap<string, number>;
};

/** Who gets what from a flag, apart from those that a condition singles out. */
type Serves = {
  /** null if the flag is disabled, or the application uses its own default value. */
  serves: { variant: string } | { split: SplitEntry[] } | null;
  /** The percentage of the rule that serves this, if it is less than 100. */
  percentage?: number | undefined;
};

/** A flag in one environment. */
export type Cell = Serves & {
  enabled: boolean;
  /** The number of rules. */
  rules: number;
  version: number;
  updatedAt: string;
  lastEvaluated: string | null;
};

/** A flag in all environments of an overview. Its own fields are those of the first environment that has it. */
export type Row = {
  key: string;
  name: string | null;
  type: Flag['type'];
  tags: string[];
  owner: string | null;
  /** By environment; null if it does not have the flag. */
  cells: Record<string, Cell | null>;
};

/** All flags side by side, in the order of their keys. */
export type Overview = {
  environments: Environment[];
  revisions: Record<string, number>;
  flags: Row[];
  /** How many flags are left out, if there are more than `MAX_ROWS`. */
  moreFlags?: number | undefined;
};

const MAX_ROWS = 10_000;

/** Returns the flags of the columns, of which there may be thousands in each. */
export function* overviewSteps(columns: readonly Column[]): Steps<Overview> {
  const lists = yield* mapSteps(columns, ({ snapshot }) => snapshot.records.flags.keyList());
  const flags: Row[] = [];
  let moreFlags = 0;
  for (const key of unionOf(lists)) {
    const row = flags.length < MAX_ROWS ? rowOf(columns, key) : null;
    if (row === null) moreFlags += 1;
    else flags.push(row);
    yield;
  }
  return {
    environments: columns.map(({ environment }) => environment),
    revisions: revisionsOf(columns),
    flags,
    ...(moreFlags === 0 ? {} : { moreFlags }),
  };
}

/** Returns the rows of some flags by their keys; null if no column has the flag. */
export function* rowsSteps(
  columns: readonly Column[],
  keys: Iterable<string>,
): Steps<Record<string, Row | null>> {
  return Object.fromEntries(yield* mapSteps(keys, key => [key, rowOf(columns, key)] as const));
}

export const revisionsOf = (columns: readonly Column[]): Record<string, number> =>
  Object.fromEntries(
    columns.map(({ environment, snapshot }) => [environment.key, revisionOf(snapshot.id)]),
  );

/** Yields the keys of sorted lists, sorted and each once, without sorting all of them at once. */
export function* unionOf(lists: readonly (readonly string[])[]): Generator<string, void> {
  const next = lists.map(() => 0);
  for (;;) {
    const heads = lists.map((keys, list) => keys[next[list] ?? 0]);
    const least = leastOf(heads);
    if (least === undefined) return;
    yield least;
    for (const [list, head] of heads.entries())
      if (head === least) next[list] = (next[list] ?? 0) + 1;
  }
}

const leastOf = (keys: readonly (string | undefined)[]): string | undefined => {
  let least: string | undefined;
  for (const key of keys)
    if (key !== undefined && (least === undefined || key < least)) least = key;
  return least;
};

const rowOf = (columns: readonly Column[], key: string): Row | null => {
  const found = columns.map(({ snapshot }) => snapshot.records.flags.get(key)?.document);
  const first = found.find(flag => flag !== undefined);
  if (first === undefined) return null;
  const { name = null, type, tags, owner = null } = first;
  const cells = columns.map(({ environment, lastEvaluated }, index) => {
    const flag = found[index];
    return [environment.key, flag === undefined ? null : cellOf(flag, lastEvaluated)] as const;
  });
  return { key, name, type, tags: [...(tags ?? [])], owner, cells: Object.fromEntries(cells) };
};

const cellOf = (flag: Flag, lastEvaluated: Column['lastEvaluated']): Cell => {
  const at = lastEvaluated.get(flag.key);
  return { ...fieldsOf(flag), lastEvaluated: at === undefined ? null : formatInstant(at) };
};

const fieldsOf = once((flag: Flag): Omit<Cell, 'lastEvaluated'> => ({
  enabled: flag.enabled,
  rules: flag.rules.length,
  ...servesOf(flag),
  version: flag.version,
  updatedAt: flag.updatedAt,
}));

const servesOf = ({ enabled, rules, defaultVariant }: Flag): Serves => {
  if (!enabled) return { serves: null };
  const rule = rules.find(
    ({ conditions, percentage }) => conditions.length === 0 && percentage !== 0,
  );
  if (rule !== undefined) return servedBy(rule);
  return { serves: defaultVariant === null ? null : { variant: defaultVariant } };
};

const servedBy = ({ variant, split, percentage }: Rule): Serves => ({
  serves: variant == null ? { split: [...(split ?? [])] } : { variant },
  ...(percentage == null || percentage === 100 ? {} : { percentage }),
});
