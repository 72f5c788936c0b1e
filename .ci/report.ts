/** The result of a suite: how many tests passed and failed, and the names of the skipped ones. */
export type Tally = {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
};

/** Counts a suite without results, or one that failed outside of its tests, as one failure. */
export const BROKEN: Tally = { passed: 0, failed: 1, skipped: [] };

type VitestReport = {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
};

const isFailed = ({ status }: { readonly status: string }): boolean => status === 'failed';

/** Reads Vitest's JSON report. A file that failed without a failed test could not be loaded. */
export const readVitest = (json: string): Tally => {
  const { testResults }: VitestReport = JSON.parse(json);
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const unloaded = testResults.filter(
    file => file.status === 'failed' && !file.assertionResults.some(isFailed),
  );
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const failed = tests.filter(isFailed).length + unloaded.length;
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed');
  return { passed, failed, skipped: skipped.map(({ fullName }) => fullName) };
};

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  lt: '<',
  quot: '"',
};

const unescapeXml = (text: string): string =>
  text.replaceAll(/&(?<name>\w+);/g, (entity, name: string) => ENTITIES[name] ?? entity);

const attribute = (tag: string, name: string): string =>
  unescapeXml(new RegExp(`\\b${name}="(?<value>[^"]*)"`).exec(tag)?.groups?.['value'] ?? '');

/** Reads pytest's JUnit report. An error outside of a test's body counts as a failed test. */
export const readPytest = (xml: string): Tally => {
  const suite = /<testsuite\b[^>]*>/.exec(xml)?.[0] ?? '';
  const count = (name: string): number => Number(attribute(suite, name));
  const skipped = [...xml.matchAll(/(?<open><testcase\b[^>]*[^/]>)\s*<skipped\b/g)].map(
    ({ groups }) => groups?.['open'] ?? '',
  );
  const failed = count('failures') + count('errors');
  return {
    passed: count('tests') - failed - skipped.length,
    failed,
    skipped: skipped.map(tag => `${attribute(tag, 'classname')} ${attribute(tag, 'name')}`),
  };
};

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Adds tallies up. */
export const total = (tallies: readonly Tally[]): Tally => ({
  passed: sum(tallies.map(({ passed }) => passed)),
  failed: sum(tallies.map(({ failed }) => failed)),
  skipped: tallies.flatMap(({ skipped }) => skipped),
});

/**
 * Checks a report against the exit code of its suite. If they disagree, nothing ran or there is no
 * report, something failed outside of the tests, and the result counts one failure more.
 */
export const checkExitCode = (code: number, tally: Tally | undefined): Tally => {
  if (tally === undefined) return BROKEN;
  const agree = code === 0 ? tally.failed === 0 && tally.passed > 0 : tally.failed > 0;
  return agree ? tally : total([tally, BROKEN]);
};

/** Formats the last line of a run. Tools parse it, so its form must not change. */
export const closingLine = ({ passed, failed, skipped }: Tally): string =>
  `${passed} passed, ${failed} failed, ${skipped.length} skipped`;

/** Returns 0 only if tests ran and none failed. */
export const exitCode = ({ passed, failed }: Tally): number => (failed === 0 && passed > 0 ? 0 : 1);
