import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { foldDifferences, type FoldCase } from './test/support/folds.ts';
import { differences, type Vector, type VectorFile } from './test/support/vectors.ts';

// Prints what this package computes otherwise than a file of known results.
const { positionals } = parseArgs({ allowPositionals: true });
if (positionals.length === 0) throw new Error('usage: node packages/statistics/vectors.ts FILE …');

/** Files of both kinds have the same form, except for their cases. */
type CaseFile = Omit<VectorFile, 'cases'> & { readonly cases: readonly (Vector | FoldCase)[] };

for (const path of positionals) {
  const file: CaseFile = JSON.parse(readFileSync(path, 'utf8'));
  const found = file.cases.flatMap(each =>
    'batches' in each ? foldDifferences(each) : differences(each, file),
  );
  for (const difference of found) console.log(difference);
  console.log(`${path}: ${file.cases.length} cases, ${found.length} differences`);
  if (found.length > 0) process.exitCode = 1;
}
