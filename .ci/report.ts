/** What became of a suite: how many tests passed and failed, and the names of those skipped. */
export type Tally = {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
};

/** A suite that could not give results, or that failed beside its tests, counts as one that failed. */
export const broken: Tally = { passed: 0, failed: 1, skipped: [] };

type VitestReport = {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
};

const isFailed = ({ status }: { readonly status: string }): boolean => status === 'failed';

/** Vitest's JSON report. A file that failed without a failed test could not be loaded. */
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

const unescaped = (text: string): string =>
  text.replaceAll(/&(?<name>\w+);/g, (entity, name: string) => ENTITIES[name] ?? entity);

const attribute = (tag: string, name: string): string =>
  unescaped(new RegExp(`\\b${name}="(?<value>[^"]*)"`).exec(tag)?.groups?.['value'] ?? '');

/** pytest's JUnit report. An error outside of a test's body counts as a failed test. */
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

/** All suites together. */
export const total = (tallies: readonly Tally[]): Tally => ({
  passed: sum(tallies.map(({ passed }) => passed)),
  failed: sum(tallies.map(({ failed }) => failed)),
  skipped: tallies.flatMap(({ skipped }) => skipped),
});

/**
 * A report counts only together with the exit code of its suite: where they disagree, where nothing
 * ran and where there is no report, something failed beside the tests.
 */
export const judge = (code: number, tally: Tally | undefined): Tally => {
  if (tally === undefined) return broken;
  const agree = code === 0 ? tally.failed === 0 && tally.passed > 0 : tally.failed > 0;
  return agree ? tally : total([tally, broken]);
};

/** The last line of a run: always of this form, alone on its line. */
export const closingLine = ({ passed, failed, skipped }: Tally): string =>
  `${passed} passed, ${failed} failed, ${skipped.length} skipped`;

/** 0 only where tests ran and none failed. */
export const exitCode = ({ passed, failed }: Tally): number => (failed === 0 && passed > 0 ? 0 : 1);
