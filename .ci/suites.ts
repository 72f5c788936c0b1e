import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { hasPython, preparePython, python } from './python.ts';
import type { Tally } from './report.ts';
import {
  broken,
  checkExitCode,
  closingLine,
  exitCode,
  readPytest,
  readVitest,
  total,
} from './report.ts';
import { root, run } from './run.ts';
import { installMissing } from './system-packages.ts';

const results = join(root, '.test-results');

/** A suite prints while it runs. Each suite runs even if the previous one failed. */
type Suite = { readonly name: string; readonly run: () => Promise<Tally> };

/** Counts one step of a check as a test. */
const step = async (code: Promise<number>, problem: string): Promise<Tally> =>
  (await code) === 0 ? { passed: 1, failed: [], skipped: [] } : broken(problem);

/** Runs the type checker, the linter and the formatter exactly as `pnpm check` does. */
const runCheck = async (): Promise<Tally> => {
  const { scripts }: { scripts: { check: string } } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  return step(run('sh', ['-c', scripts.check]), '"pnpm check" failed.');
};

/** Reads the report of a suite and checks it against the exit code. */
const readTally = async (suite: string, code: number, read: () => Promise<Tally>): Promise<Tally> =>
  checkExitCode(suite, code, await read().catch(() => undefined));

const runVitest = async (): Promise<Tally> => {
  const problem = await installMissing();
  const report = join(results, 'vitest.json');
  const entry = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [entry, 'run', '--config', '.ci/vitest.config.ts'];
  const env = {
    VITEST_JSON_REPORT: report,
    // Tests start hundreds of processes. Each one would compile the same modules again.
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'node-compile'),
  };
  const code = await run(process.execPath, args, { env });
  const tally = await readTally('Vitest', code, async () =>
    readVitest(await readFile(report, 'utf8')),
  );
  return problem === undefined ? tally : total([tally, broken(problem)]);
};

const runPython = (...args: string[]): Promise<number> =>
  run(python, ['-m', ...args], { cwd: join(root, 'python-provider') });

const runPytest = async (): Promise<Tally> => {
  const report = join(results, 'pytest.xml');
  const code = await runPython('pytest', '--quiet', `--junitxml=${report}`);
  return readTally('pytest', code, async () => readPytest(await readFile(report, 'utf8')));
};

const runPythonChecks = async (): Promise<Tally> => {
  const problem = await preparePython();
  if (problem !== undefined) return broken(problem);
  const linted = await step(runPython('ruff', 'check', '.'), 'ruff check failed.');
  const formatted = await step(runPython('ruff', 'format', '--check', '.'), 'ruff format failed.');
  const typed = await step(runPython('mypy'), 'mypy failed.');
  return total([linted, formatted, typed, await runPytest()]);
};

const suites = (): Suite[] => [
  { name: 'check', run: runCheck },
  { name: 'vitest', run: runVitest },
  ...(hasPython() ? [{ name: 'python', run: runPythonChecks }] : []),
];

/** Runs every suite and prints the total as the last line. Returns the exit code. */
export const runEverything = async (): Promise<number> => {
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  const tallies: Tally[] = [];
  for (const suite of suites()) {
    console.log(`\n— ${suite.name}`);
    tallies.push(await suite.run());
  }
  const sum = total(tallies);
  for (const name of sum.skipped) console.log(`skipped: ${name}`);
  for (const name of sum.failed) console.log(`failed: ${name}`);
  console.log(`\n${closingLine(sum)}`);
  return exitCode(sum);
};
