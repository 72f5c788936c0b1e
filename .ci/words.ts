/**
 * The word lint: finds phrases and names that this repository does not use.
 *
 *     node .ci/words.ts [folder …]           prints each with its place and its remedy
 *     node .ci/words.ts --count [folder …]   prints the count of some words in comments, by package
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { hasViews, viewsOf } from './prose.ts';
import { API_FIELDS, NAME_REMEDY, NAMES_GONE, PROSE_RULES, WORDS_GONE } from './word-rules.ts';
import { countTable } from './word-counts.ts';

const root = join(import.meta.dirname, '..');

/** One phrase or name to change. `line` is 0 for the name of the file itself. */
export type Finding = {
  readonly file: string;
  readonly line: number;
  readonly phrase: string;
  readonly remedy: string;
};

/** Installed or generated, except for the last one: examples of what is refused. */
const SKIPPED = [
  /(?:^|\/)(?:\.git|node_modules|dist|\.venv|\.\w+_cache|\.hypothesis|\.test-results)(?:\/|$)/,
  /(?:^|\/)(?:pennon-data|generated-\w+|[\w-]+\.egg-info|pnpm-lock\.yaml)(?:\/|$)/,
  /^packages\/spec\/schema\//,
  /^\.ci\/word-examples\.json$/,
];

const isSkipped = (path: string): boolean => SKIPPED.some(skipped => skipped.test(path));

/** Returns the files that have views, by their path from the root. */
const readFiles = (folders: readonly string[]): ReadonlyMap<string, string> => {
  const paths = folders
    .flatMap(folder => globSync(`${folder}{,/**/*}`, { cwd: root, exclude: isSkipped }))
    .filter(path => hasViews(path) && !isSkipped(path))
    .toSorted();
  return new Map(paths.map(path => [path, readFileSync(join(root, path), 'utf8')]));
};

const lineAt = (source: string, index: number): number => source.slice(0, index).split('\n').length;

const phrasesIn = (view: string): { index: number; phrase: string; remedy: string }[] =>
  PROSE_RULES.flatMap(({ pattern, remedy }) =>
    [...view.matchAll(pattern)].map(match => ({
      index: match.index + (match[0].length - match[0].trimStart().length),
      phrase: match[0].trim().replaceAll(/\s+/g, ' '),
      remedy,
    })),
  );

const wordsOf = (name: string): string[] =>
  name
    .split(/[_$\W]+|(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/)
    .map(word => word.toLowerCase());

const isGone = (name: string): boolean =>
  !API_FIELDS.test(name) &&
  (NAMES_GONE.some(gone => gone.test(name)) ||
    wordsOf(name).some(word => WORDS_GONE.some(gone => gone.test(word))));

const namesIn = (code: string): { index: number; phrase: string; remedy: string }[] =>
  [...code.matchAll(/[A-Za-z_$][\w$]*/g)]
    .filter(([name]) => isGone(name))
    .map(match => ({ index: match.index, phrase: match[0], remedy: NAME_REMEDY }));

/** Returns everything to change in one file, in the order of its lines. */
export const findingsIn = (file: string, source: string): Finding[] => {
  const views = viewsOf(file, source);
  if (views === undefined) return [];
  const found = [...phrasesIn(views.comments), ...phrasesIn(views.strings), ...namesIn(views.code)];
  const inText = found
    .toSorted((a, b) => a.index - b.index)
    .map(({ index, phrase, remedy }) => ({ file, line: lineAt(source, index), phrase, remedy }));
  const [name = ''] = basename(file).split('.');
  return isGone(name) ? [{ file, line: 0, phrase: name, remedy: NAME_REMEDY }, ...inText] : inText;
};

/** Returns everything to change below folders or files, which may be patterns. */
export const findingsBelow = (folders: readonly string[]): Finding[] =>
  [...readFiles(folders)].flatMap(([file, source]) => findingsIn(file, source));

/** `server/src/main.ts:12: "anew": write "again"` */
export const describeFinding = ({ file, line, phrase, remedy }: Finding): string =>
  `${file}:${line}: "${phrase}": ${remedy}`;

/** Prints all findings, and their number to stderr. The process fails if there are any. */
const report = (findings: readonly Finding[]): void => {
  for (const finding of findings) console.log(describeFinding(finding));
  const count = findings.length === 0 ? 'Nothing' : `${findings.length} phrases and names`;
  console.error(`${count} to change.`);
  if (findings.length > 0) process.exitCode = 1;
};

/** All files and folders at the root. */
export const EVERYTHING = ['{*,.*}'];

if (import.meta.main) {
  const folders = process.argv.slice(2).filter(argument => !argument.startsWith('--'));
  const chosen = folders.length === 0 ? EVERYTHING : folders;
  if (process.argv.includes('--count')) console.log(countTable(readFiles(chosen)));
  else report(findingsBelow(chosen));
}
