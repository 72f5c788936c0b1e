/** The result of a suite: how many tests passed, and the names of those that failed or were skipped. */
export type Tally = {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
};

/** Counts a suite without results, or one that failed outside of its tests, as one failure. */
export const broken = (reason: string): Tally => ({ passed: 0, failed: [reason], skipped: [] });

type VitestReport = {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
};

type VitestFile = VitestReport['testResults'][number];

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

/** Names the failed tests of a file. A file that failed without a failed test could not be loaded. */
const failures = ({ name, status, assertionResults }: VitestFile): string[] => {
  const failed = assertionResults.filter(test => test.status === 'failed');
  if (status === 'failed' && failed.length === 0) return [`${name}: the file failed`];
  return failed.map(
    ({ fullName, failureMessages }) =>
      `${name}: ${fullName}: ${firstLine(failureMessages?.[0] ?? 'no message')}`,
  );
};

/** Reads Vitest's JSON report. */
export const readVitest = (json: string): Tally => {
  const { testResults }: VitestReport = JSON.parse(json);
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed');
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: testResults.flatMap(failures),
    skipped: skipped.map(({ fullName }) => fullName),
  };
};

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  lt: '<',
  quot: '"',
};

const unescapeXml = (text: string): string =>
  text.replaceAll(/&(?:#(?<code>\d+)|(?<name>\w+));/g, (entity, code?: string, name?: string) =>
    code === undefined ? (ENTITIES[name ?? ''] ?? entity) : String.fromCodePoint(Number(code)),
  );

const attribute = (tag: string, name: string): string =>
  unescapeXml(new RegExp(`\\b${name}="(?<value>[^"]*)"`).exec(tag)?.groups?.['value'] ?? '');

const OUTCOME = /<(?<kind>failure|error|skipped)\b[^>]*>/g;

/** Names the tests of a JUnit report that failed or were skipped. One can have several outcomes. */
const outcomes = (xml: string): { kind: string; name: string; message: string }[] =>
  [...xml.matchAll(/<testcase\b(?<open>[^>]*[^/])>(?<body>[\s\S]*?)<\/testcase>/g)].flatMap(
    ({ groups: { open = '', body = '' } = {} }) =>
      [...body.matchAll(OUTCOME)].map(({ 0: element, groups }) => ({
        kind: groups?.['kind'] ?? '',
        name: `${attribute(open, 'classname')} ${attribute(open, 'name')}`,
        message: firstLine(attribute(element, 'message')),
      })),
  );

/** Reads pytest's JUnit report. An error outside of a test's body counts as a failed test. */
export const readPytest = (xml: string): Tally => {
  const suite = /<testsuite\b[^>]*>/.exec(xml)?.[0] ?? '';
  const found = outcomes(xml);
  const skipped = found.filter(({ kind }) => kind === 'skipped');
  const failed = found.filter(({ kind }) => kind !== 'skipped');
  return {
    passed: Number(attribute(suite, 'tests')) - failed.length - skipped.length,
    failed: failed.map(({ name, message }) => `${name}: ${message}`),
    skipped: skipped.map(({ name }) => name),
  };
};

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Adds tallies up. */
export const total = (tallies: readonly Tally[]): Tally => ({
  passed: sum(tallies.map(({ passed }) => passed)),
  failed: tallies.flatMap(({ failed }) => failed),
  skipped: tallies.flatMap(({ skipped }) => skipped),
});

/**
 * Checks a report against the exit code of its suite. If they disagree, nothing ran or there is no
 * report, something failed outside of the tests, and the result counts one failure more.
 */
export const checkExitCode = (suite: string, code: number, tally: Tally | undefined): Tally => {
  if (tally === undefined) return broken(`${suite}: exit code ${code}, but no results`);
  const agree =
    code === 0 ? tally.failed.length === 0 && tally.passed > 0 : tally.failed.length > 0;
  if (agree) return tally;
  return total([tally, broken(`${suite}: exit code ${code}, but ${closingLine(tally)}`)]);
};

/** Formats the last line of a run. Tools parse it, so its form must not change. */
export const closingLine = ({ passed, failed, skipped }: Tally): string =>
  `${passed} passed, ${failed.length} failed, ${skipped.length} skipped`;

/** Returns 0 only if tests ran and none failed. */
export const exitCode = ({ passed, failed }: Tally): number =>
  failed.length === 0 && passed > 0 ? 0 : 1;
