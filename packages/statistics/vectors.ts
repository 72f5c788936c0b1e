import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { foldDifferences, type FoldCase } from './test/support/folds.ts';
import { differences, type Vector, type VectorFile } from './test/support/vectors.ts';

// Prints what this package computes otherwise than a file of known results.
const { positionals } = parseArgs({ allowPositionals: true });
if (positionals.length === 0) throw new Error('usage: node packages/statistics/vectors.ts FILE …');

/** Files of both kinds have the same form, except for their cases. */
type CaseFile = Omit<VectorFile, 'cases'> & { readonly cases: readonly (Vector | FoldCase)[] };

const read = (path: string): CaseFile => {
  const file: CaseFile | null = JSON.parse(readFileSync(path, 'utf8'));
  if (Array.isArray(file?.cases) && file.cases.length > 0) return file;
  throw new Error('the file needs a list of "cases" that is not empty');
};

const differencesIn = (each: Vector | FoldCase, file: CaseFile): string[] =>
  'batches' in each ? foldDifferences(each) : differences(each, file);

/** Returns what is found, or one line if that is not possible. */
const orReason = (what: string, find: () => string[]): string[] => {
  try {
    return find();
  } catch (error) {
    return [`${what}: ${error instanceof Error ? error.message : String(error)}`];
  }
};

for (const path of positionals) {
  let cases = 0;
  const found = orReason(path, () => {
    const file = read(path);
    cases = file.cases.length;
    return file.cases.flatMap((each, at) =>
      orReason(each?.id ?? `case ${at}`, () => differencesIn(each, file)),
    );
  });
  for (const difference of found) console.log(difference);
  console.log(`${path}: ${cases} cases, ${found.length} differences`);
  if (found.length > 0) process.exitCode = 1;
}
