import { expect, test } from 'vitest';

import {
  broken,
  checkExitCode,
  closingLine,
  exitCode,
  readPytest,
  readVitest,
  total,
} from './report.ts';

const file = (status: string, ...tests: [status: string, fullName: string][]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map(([of, fullName]) => ({
    status: of,
    fullName,
    failureMessages: of === 'failed' ? ['expected 1 to be 2\n    at a.test.ts:1:1'] : [],
  })),
});

test('a Vitest report is added up over its files, with the names of failed and skipped tests', () => {
  const testResults = [
    file('passed', ['passed', 'a'], ['skipped', 'b is skipped'], ['todo', 'c is to do']),
    file('failed', ['passed', 'd'], ['failed', 'e']),
  ];
  expect(readVitest(JSON.stringify({ testResults }))).toEqual({
    passed: 2,
    failed: ['a.test.ts: e: expected 1 to be 2'],
    skipped: ['b is skipped', 'c is to do'],
  });
});

test('a file that could not be loaded counts as a failure', () => {
  const testResults = [file('failed'), file('passed', ['passed', 'a'])];
  expect(readVitest(JSON.stringify({ testResults }))).toEqual({
    passed: 1,
    failed: ['a.test.ts: the file failed'],
    skipped: [],
  });
});

const junit = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="1" skipped="2" tests="6" time="0.04">
<testcase classname="tests.test_a" name="test_passes" time="0.001" />
<testcase classname="tests.test_a" name="test_skips[&lt;1&gt; &amp;amp; &quot;x&quot;]" time="0.001"><skipped type="pytest.skip" message="a &gt; b">why</skipped></testcase>
<testcase classname="tests.test_a" name="test_fails" time="0.001"><failure message="1 != 2&#10;more">x</failure><error message="teardown">y</error></testcase>
<testcase classname="tests.test_b" name="test_expected" time="0.001">
  <skipped type="pytest.xfail" message="" /></testcase>
</testsuite></testsuites>`;

test('a pytest report is added up, with the names of tests that failed, were skipped or expected to fail', () => {
  expect(readPytest(junit)).toEqual({
    passed: 2,
    failed: ['tests.test_a test_fails: 1 != 2', 'tests.test_a test_fails: teardown'],
    skipped: ['tests.test_a test_skips[<1> &amp; "x"]', 'tests.test_b test_expected'],
  });
});

test('the closing line adds up all suites in a fixed form', () => {
  const sum = total([
    { passed: 2, failed: [], skipped: ['a'] },
    { passed: 3, failed: [], skipped: [] },
  ]);
  expect(closingLine(sum)).toBe('5 passed, 0 failed, 1 skipped');
  expect(exitCode(sum)).toBe(0);
});

test('a broken suite fails the run, even if all others pass', () => {
  const sum = total([{ passed: 2, failed: [], skipped: [] }, broken('it crashed')]);
  expect(closingLine(sum)).toBe('2 passed, 1 failed, 0 skipped');
  expect(exitCode(sum)).toBe(1);
});

test('a run without tests, or with skipped tests only, fails', () => {
  expect(exitCode(total([]))).toBe(1);
  expect(exitCode({ passed: 0, failed: [], skipped: ['a'] })).toBe(1);
});

const of = (passed: number, ...failed: string[]) => ({ passed, failed, skipped: [] });

test.each([
  ['passed and exited with 0', 0, of(2), of(2)],
  ['failed and exited with 1', 1, of(2, 'a'), of(2, 'a')],
  [
    'passed and crashed afterwards',
    1,
    of(2),
    of(2, 'X: exit code 1, but 2 passed, 0 failed, 0 skipped'),
  ],
  [
    'failed but exited with 0',
    0,
    of(2, 'a'),
    of(2, 'a', 'X: exit code 0, but 2 passed, 1 failed, 0 skipped'),
  ],
  ['ran nothing', 0, of(0), of(0, 'X: exit code 0, but 0 passed, 0 failed, 0 skipped')],
  ['crashed without results', 139, undefined, of(0, 'X: exit code 139, but no results')],
  ['exited with 0 but has no results', 0, undefined, of(0, 'X: exit code 0, but no results')],
])('a suite that %s is counted by its exit code and its report', (_, code, tally, expected) => {
  expect(checkExitCode('X', code, tally)).toEqual(expected);
});
