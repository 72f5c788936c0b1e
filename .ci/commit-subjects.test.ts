import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';

import { subjectProblems } from './commit-subjects.ts';

test.each([
  'sync: resume after a gap',
  'schema: refuse weights that are not whole',
  'packages/engine: seed the second draw',
  'ci: pass the logger to every suite',
  'redis: address nodes by host name',
  'node provider: emit STALE once',
  'flag-set, streaming: shorten comments',
  'server: embed the version in /openapi.json',
  `store: ${'a'.repeat(65)}`,
  'Revert "sync: resume after a gap"',
])('"%s" is a good subject', subject => {
  expect(subjectProblems(subject)).toEqual([]);
});

test.each([
  ['Resume after a gap', 'no part in front'],
  ['Sync: resume after a gap', 'no part in front'],
  ['sync:resume after a gap', 'no part in front'],
  ['sync: resumed after a gap', 'not an imperative'],
  ['sync: resumes after a gap', 'not an imperative'],
  ['sync: resuming after a gap', 'not an imperative'],
  ['sync: a follower resumes after a gap', 'not an imperative'],
  ['sync: no more gaps', 'not an imperative'],
  ['sync: one state machine', 'not an imperative'],
  ['sync: Resume after a gap', 'lower case'],
  ['sync: resume after a gap.', 'full stop'],
  [`store: ${'a'.repeat(66)}`, '73 characters'],
])('"%s" is refused: %s', (subject, problem) => {
  expect(subjectProblems(subject)).toEqual([expect.stringContaining(problem)]);
});

const git = (...args: string[]): string[] => {
  try {
    const options = { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' } as const;
    return execFileSync('git', args, options).split('\n').filter(Boolean);
  } catch {
    return [];
  }
};

/**
 * Empty without git. In a shallow clone the oldest commit seems to add every file, so the subjects
 * after it are checked.
 */
const subjectsSinceThisLint = (): string[] => {
  const added = git('log', '--diff-filter=A', '--format=%H', '--', 'commit-subjects.ts').at(-1);
  return added === undefined ? [] : git('log', '--no-merges', '--format=%s', `${added}..HEAD`);
};

test('every commit since this lint has a good subject', () => {
  const bad = subjectsSinceThisLint().filter(subject => subjectProblems(subject).length > 0);
  expect(bad.map(subject => [subject, ...subjectProblems(subject)])).toEqual([]);
});
