import { updatedAt, type Cell, type Row } from './overview.ts';

/** Whether a flag is part of the result. */
type Test = (row: Row, now: number) => boolean;

/** A search, and the words of it that mean nothing. */
export type Search = { readonly matches: Test; readonly unknown: readonly string[] };

const DAY_MS = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { h: DAY_MS / 24, d: DAY_MS, w: 7 * DAY_MS };

const includes = (text: string | null, part: string): boolean =>
  text?.toLowerCase().includes(part) === true;

/** What `environment:…` can have after the colon. */
const STATES: Readonly<Record<string, (cell: Cell | null) => boolean>> = {
  on: cell => cell?.enabled === true,
  off: cell => cell?.enabled === false,
  none: cell => cell === null,
  rules: cell => cell !== null && cell.rules > 0,
  split: cell => cell !== null && isSplit(cell),
};
export const STATE_NAMES = Object.keys(STATES);

export const isSplit = ({ serves, percentage }: Cell): boolean =>
  percentage !== undefined || (serves !== null && 'split' in serves);

/** Returns the test for the time after `changed:`, such as `<7d`. */
const changed = (value: string): Test | undefined => {
  const [, relation, count, unit = ''] = /^([<>])(\d{1,4})([hdw])$/.exec(value) ?? [];
  if (relation === undefined) return undefined;
  const ageMs = Number(count) * (UNITS[unit] ?? DAY_MS);
  return (row, now) => Date.parse(updatedAt(row)) > now - ageMs === (relation === '<');
};

/** The filters of a search by name. Each returns undefined for a value that it does not have. */
const FILTERS: Readonly<Record<string, (value: string) => Test | undefined>> = {
  tag: value => row => row.tags.some(tag => tag.toLowerCase() === value),
  owner: value => row => includes(row.owner, value),
  type: value => row => row.type === value,
  changed,
};
export const FILTER_NAMES = Object.keys(FILTERS);

/** A person may search for any word, such as `constructor`, which each object has. */
const entryOf = <Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

const stateTest = (environment: string, value: string): Test | undefined => {
  const test = entryOf(STATES, value);
  return test && (row => test(row.cells[environment] ?? null));
};

/** A word, or a filter whose value may have quotes. */
const WORDS = /(?:[^\s":]+:)?(?:"[^"]*"|\S+)/g;

const wordTest = (word: string, environments: readonly string[]): Test | undefined => {
  const [, name, quoted, bare] = /^([^\s":]+):(?:"([^"]*)"|(.+))$/.exec(word) ?? [];
  if (name === undefined) return textTest(word.replaceAll('"', '').toLowerCase());
  const value = (quoted ?? bare ?? '').toLowerCase();
  const environment = environments.find(each => each.toLowerCase() === name.toLowerCase());
  // An environment may have the name of a filter, such as "tag".
  return (
    (environment === undefined ? undefined : stateTest(environment, value)) ??
    entryOf(FILTERS, name.toLowerCase())?.(value)
  );
};

/** The text of each row in which words are found. Each letter of a search reads it again. */
const texts = new WeakMap<Row, string>();

const textOf = (row: Row): string => {
  const known = texts.get(row);
  if (known !== undefined) return known;
  // No word has a line break.
  const text = [row.key, row.name ?? '', ...row.tags].join('\n').toLowerCase();
  texts.set(row, text);
  return text;
};

const textTest =
  (text: string): Test =>
  row =>
    textOf(row).includes(text);

/** Parses a search: words that a flag must contain, and filters such as `tag:checkout` and `production:off`. */
export const parseSearch = (text: string, environments: readonly string[]): Search => {
  const words = text.match(WORDS) ?? [];
  const tests = words.map(word => [word, wordTest(word, environments)] as const);
  const known = tests.flatMap(([, test]) => test ?? []);
  return {
    matches: (row, now) => known.every(test => test(row, now)),
    unknown: tests.flatMap(([word, test]) => (test === undefined ? [word] : [])),
  };
};
