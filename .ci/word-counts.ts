import { BREAK, viewsOf } from './prose.ts';

/** Counted in the comments and docstrings of sources, per 10,000 words. */
const COLUMNS: readonly (readonly [title: string, pattern: RegExp])[] = [
  ['if', /\bif\b/gi],
  [
    'where=if',
    /(?<!\b(?:place|file|folder|directory|line|column|position|point|from|to|of|see|shows?|exactly|find)\s+)\bwhere\s+(?:there|it|no|none|nobody|nothing|neither|only|one|an?|the|any|its|each|some|all|they|that|what|this|these|those)\b/gi,
  ],
  ['return', /\breturn(?:s|ed|ing)?\b/gi],
  [
    'speech',
    /\b(?:answer(?:s|ed|ing)?|tell(?:s|ing)?|told|say(?:s|ing)?|said|ask(?:s|ed|ing)?|hear(?:s|d|ing)?)\b/gi,
  ],
  [
    'is no',
    /(?<!\bthere\s+)\b(?:is|are|was|were|be)\s+(?:no(?!\s+(?:longer|more|later|earlier|less))|none)\b/gi,
  ],
  ['who*ever', /\b(?:who|what|whom)ever\b|\bwhom\b|\bwhose\b/gi],
  ['anew…', /\b(?:anew|meanwhile|lately|for\s+ever|of\s+the\s+moment|be\s+it)\b/gi],
  ['nobody', /\b(?:nobody|somebody|everybody|anybody)\b/gi],
];

/** The aims, in the order of the columns. */
const AIMS = ['60–120', '< 8', '45–130', '< 4', '< 5', '< 5', '< 2', '< 2'];

const isSource = (path: string): boolean =>
  /\.(?:tsx?|mjs|py|lua)$/.test(path) && !/(?:^|\/)tests?\/|\.test\.ts$/.test(path);

/** `server/src/http/rest.ts` belongs to `server`, `packages/sync/src/a.ts` to `packages/sync`. */
const packageOf = (path: string): string =>
  /^(?:(?:packages|providers)\/[^/]+|[^/]+)/.exec(path)?.[0] ?? path;

const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

const rowOf = (name: string, comments: string): string[] => {
  const total = count(comments, /[A-Za-z][\w'’-]*/g);
  const rates = COLUMNS.map(
    ([, pattern]) => (count(comments, pattern) / Math.max(total, 1)) * 10_000,
  );
  return [name, String(total), ...rates.map(rate => rate.toFixed(1))];
};

const widths = (rows: readonly (readonly string[])[]): number[] =>
  (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)));

const aligned = (rows: readonly (readonly string[])[]): string => {
  const width = widths(rows);
  const cell = (text: string, column: number): string =>
    column === 0 ? text.padEnd(width[column] ?? 0) : text.padStart(width[column] ?? 0);
  return rows.map(row => row.map(cell).join('  ')).join('\n');
};

/** A line for each package and one for all of them, under the aims. */
export const countTable = (sources: ReadonlyMap<string, string>): string => {
  const comments = [...sources]
    .filter(([path]) => isSource(path))
    .map(([path, source]) => ({
      name: packageOf(path),
      text: viewsOf(path, source)?.comments ?? '',
    }));
  const packages = Map.groupBy(comments, ({ name }) => name);
  const textOf = (parts: typeof comments): string => parts.map(({ text }) => text).join(BREAK);
  return aligned([
    ['per 10,000 words', 'words', ...COLUMNS.map(([title]) => title)],
    ['aim', '', ...AIMS],
    ...[...packages].map(([name, parts]) => rowOf(name, textOf(parts))),
    rowOf('all', textOf(comments)),
  ]);
};
