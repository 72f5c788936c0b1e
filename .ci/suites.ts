import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { meetNeeds } from './system-packages.ts';
import { hasPython, preparePython, python } from './python.ts';
import type { Tally } from './report.ts';
import { broken, closingLine, exitCode, judge, readPytest, readVitest, total } from './report.ts';
import { root, run } from './run.ts';

const results = join(root, '.test-results');

/** A suite prints as it runs and answers its tally. Each runs whatever became of the one before. */
type Suite = { readonly name: string; readonly tally: () => Promise<Tally> };

const trouble = (text: string): Tally => {
  console.error(text);
  return broken;
};

/** One step of a check, counted like a test. */
const step = async (code: Promise<number>, problem: string): Promise<Tally> =>
  (await code) === 0 ? { passed: 1, failed: 0, skipped: [] } : trouble(problem);

/** The types, the linter and the formatter, as `pnpm check` runs them. */
const check = async (): Promise<Tally> => {
  const { scripts }: { scripts: { check: string } } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  return step(run('sh', ['-c', scripts.check]), '"pnpm check" failed.');
};

/** Reads what a suite left behind, and says so where that is not all that happened. */
const judged = async (code: number, read: () => Promise<Tally>): Promise<Tally> => {
  const tally = await read().catch(() => undefined);
  const verdict = judge(code, tally);
  if (verdict !== tally)
    console.error(`It ended with code ${code} and ${tally ? closingLine(tally) : 'no results'}.`);
  return verdict;
};

const vitest = async (): Promise<Tally> => {
  const problem = await meetNeeds();
  const report = join(results, 'vitest.json');
  const entry = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [entry, 'run', '--config', '.ci/vitest.config.ts'];
  const code = await run(process.execPath, args, { env: { PENNON_TEST_REPORT: report } });
  const tally = await judged(code, async () => readVitest(await readFile(report, 'utf8')));
  return problem === undefined ? tally : total([tally, trouble(problem)]);
};

const inPython = (...args: string[]): Promise<number> =>
  run(python, ['-m', ...args], { cwd: join(root, 'python-provider') });

const pytest = async (): Promise<Tally> => {
  const report = join(results, 'pytest.xml');
  const code = await inPython('pytest', '--quiet', `--junitxml=${report}`);
  return judged(code, async () => readPytest(await readFile(report, 'utf8')));
};

const ofPython = async (): Promise<Tally> => {
  const problem = await preparePython();
  if (problem !== undefined) return trouble(problem);
  const linted = await step(inPython('ruff', 'check', '.'), 'ruff check failed.');
  const formatted = await step(inPython('ruff', 'format', '--check', '.'), 'ruff format failed.');
  const typed = await step(inPython('mypy'), 'mypy failed.');
  return total([linted, formatted, typed, await pytest()]);
};

const suites = (): Suite[] => [
  { name: 'check', tally: check },
  { name: 'vitest', tally: vitest },
  ...(hasPython() ? [{ name: 'python', tally: ofPython }] : []),
];

/** Runs every suite; the last line that it prints is the sum. Answers the exit code. */
export const runEverything = async (): Promise<number> => {
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  const tallies: Tally[] = [];
  for (const { name, tally } of suites()) {
    console.log(`\n— ${name}`);
    tallies.push(await tally());
  }
  const sum = total(tallies);
  for (const name of sum.skipped) console.log(`skipped: ${name}`);
  console.log(`\n${closingLine(sum)}`);
  return exitCode(sum);
};
