import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { differences, type VectorFile } from './test/support/vectors.ts';

// Prints what this package computes otherwise than a file of known results.
const { positionals } = parseArgs({ allowPositionals: true });
if (positionals.length === 0) throw new Error('usage: node packages/statistics/vectors.ts FILE …');

for (const path of positionals) {
  const file: VectorFile = JSON.parse(readFileSync(path, 'utf8'));
  const found = file.cases.flatMap(each => differences(each, file));
  for (const difference of found) console.log(difference);
  console.log(`${path}: ${file.cases.length} cases, ${found.length} differences`);
  if (found.length > 0) process.exitCode = 1;
}
