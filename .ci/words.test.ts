import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { viewsOf } from './prose.ts';
import { countTable } from './word-counts.ts';
import { PROSE_RULES } from './word-rules.ts';
import { describeFinding, EVERYTHING, findingsBelow, findingsIn } from './words.ts';

type Examples = {
  /** A path, what is in the file, and the phrase that is reported. */
  readonly refused: readonly (readonly [path: string, source: string, phrase: string])[];
  readonly accepted: readonly (readonly [path: string, source: string])[];
};
const examples: Examples = JSON.parse(
  readFileSync(join(import.meta.dirname, 'word-examples.json'), 'utf8'),
);

test.each(examples.refused)('in %s the word lint refuses %j', (path, source, phrase) => {
  expect(findingsIn(path, source).map(finding => finding.phrase)).toEqual([phrase]);
});

test.each(examples.accepted)('in %s the word lint accepts %j', (path, source) => {
  expect(findingsIn(path, source)).toEqual([]);
});

test.each(PROSE_RULES)('the rule $pattern has an example that is refused', ({ remedy }) => {
  const remedies = examples.refused.flatMap(([path, source]) =>
    findingsIn(path, source).map(finding => finding.remedy),
  );
  expect(remedies).toContain(remedy);
});

test('a finding names the file, the line, the phrase and the remedy', () => {
  const [finding] = findingsIn('a.ts', '\n//\n// anew\n');
  expect(finding && describeFinding(finding)).toEqual(
    expect.stringMatching(/^a\.ts:3: "anew": write/),
  );
});

test('each view is as long as its file', () => {
  for (const [path, source] of [...examples.refused, ...examples.accepted]) {
    const views = viewsOf(path, source);
    for (const view of Object.values(views ?? {})) expect(view).toHaveLength(source.length);
  }
});

test('words are counted in the comments of sources, by package', () => {
  const files = { 'server/src/a.ts': '// if it returns\n', 'server/test/a.ts': '// if\n' };
  const lines = countTable(new Map(Object.entries(files))).split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[2]).toMatch(/^server +3 +3333\.3 +0\.0 +3333\.3 /);
});

test('this repository uses plain words', () => {
  expect(findingsBelow(EVERYTHING).map(describeFinding)).toEqual([]);
});
