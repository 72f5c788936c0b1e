import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

import { expect, test } from 'vitest';

const cwd = new URL('..', import.meta.url);

/** The files that may calculate with the time of day. */
const CLOCKS = new Set(['packages/sync/src/runtime.ts', 'server/src/clock.ts']);

/** The time of day may be set, so it is right for time stamps and wrong for durations and limits. */
const MISUSE = [
  { pattern: /\bnew Date\(\)/, remedy: 'use the clock that is passed as a parameter' },
  { pattern: /\bnow\(\)\s*(?:[-+]|[<>]=?)/, remedy: 'use monotonic()' },
  { pattern: /(?:[-+<]|(?<!=)>|[<>]=)\s*(?:\w+\.)*now\(\)/, remedy: 'use monotonic()' },
  { pattern: /\b(?:since|start|begin)\w* = (?:\w+\.)*now\(\)/i, remedy: 'use monotonic()' },
];

const misuses = (source: string): string[] =>
  source
    .split('\n')
    .filter(line => MISUSE.some(({ pattern }) => pattern.test(line)))
    .map(line => line.trim());

const REFUSED = [
  'const today = new Date();',
  'const deadline = clock.now() + TIMEOUT_MS;',
  'return now() - startedAt;',
  'while (runtime.now() < until) poll();',
  'return Math.max(0, retryAt - now());',
  'if (expiresAt <= services.clock.now()) return;',
  'if (until > now()) return;',
  'const startedAt = clock.now();',
  'let since = now();',
];

test.each(REFUSED)('a duration by the time of day is refused: %s', source => {
  expect(misuses(source)).toEqual([source]);
});

const ACCEPTED = [
  'const created = formatInstant(clock.now());',
  'lastError = { message, status: code, at: now() };',
  'const read = () => now();',
  'return monotonic() - startedAt;',
  'const date = new Date(clock.now());',
];

test.each(ACCEPTED)('a time stamp is accepted: %s', source => {
  expect(misuses(source)).toEqual([]);
});

/** The Python files that may do so: the age of files, HTTP dates, and time that the monotonic clock missed. */
const PYTHON_CLOCKS = new Set(['_errors.py', '_process.py', '_sources.py']);
const PYTHON_MISUSE = /time\.time\(\)\s*[-+<>]|[-+<>]=?\s*time\.time\(\)|datetime\.(?:utc)?now\(/;

test('no Python source measures a duration by the time of day', () => {
  const found = globSync('python-provider/src/**/*.py', { cwd })
    .filter(path => !PYTHON_CLOCKS.has(posix.basename(path)))
    .filter(path => PYTHON_MISUSE.test(readFileSync(new URL(path, cwd), 'utf8')));
  expect(found).toEqual([]);
});

test.each([
  'if time.time() - started > 1:',
  'until = now + time.time()',
  'datetime.now(timezone.utc)',
])('a duration by the time of day is refused in Python: %s', source => {
  expect(source).toMatch(PYTHON_MISUSE);
});

const sources = globSync('{server,packages/{sync,client},providers/*}/src/**/*.ts', { cwd })
  .filter(path => !CLOCKS.has(path))
  .toSorted();

test('no source measures a duration by the time of day', () => {
  const found = sources.flatMap(path =>
    misuses(readFileSync(new URL(path, cwd), 'utf8')).map(line => `${path}: ${line}`),
  );
  expect(found).toEqual([]);
});
