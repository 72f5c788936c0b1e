import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { meetNeeds } from './needs.ts';
import { hasPython, preparePython, python } from './python.ts';
import type { Tally } from './report.ts';
import { broken, closingLine, exitCode, readPytest, readVitest, total } from './report.ts';
import { root, run } from './run.ts';

const results = join(root, '.test-results');

/** A suite prints as it runs and answers its tally. Each runs whatever became of the one before. */
type Suite = { readonly name: string; readonly tally: () => Promise<Tally> };

const trouble = (text: string): Tally => {
  console.error(text);
  return broken;
};

/** The types, the linter and the formatter, as `pnpm check` runs them. */
const check = async (): Promise<Tally> => {
  const { scripts }: { scripts: { check: string } } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  const code = await run('sh', ['-c', scripts.check]);
  return code === 0 ? { passed: 1, failed: 0, skipped: [] } : trouble('The check failed.');
};

/** A report counts together with the exit code: where they disagree, something failed beside the tests. */
const believed = (code: number, read: () => Promise<Tally>): Promise<Tally> =>
  read().then(
    tally => {
      if (code === 0 ? tally.passed > 0 : tally.failed > 0) return tally;
      return total([tally, trouble(`It ended with code ${code} and ${closingLine(tally)}.`)]);
    },
    () => trouble(`It ended with code ${code} and left no results.`),
  );

const vitest = async (): Promise<Tally> => {
  const problem = await meetNeeds();
  const report = join(results, 'vitest.json');
  const entry = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [entry, 'run', '--config', '.ci/vitest.config.ts'];
  const code = await run(process.execPath, args, { env: { PENNON_TEST_REPORT: report } });
  const tally = await believed(code, async () => readVitest(await readFile(report, 'utf8')));
  return problem === undefined ? tally : total([tally, trouble(problem)]);
};

const pytest = async (): Promise<Tally> => {
  const problem = await preparePython();
  if (problem !== undefined) return trouble(problem);
  const report = join(results, 'pytest.xml');
  const args = ['-m', 'pytest', '--quiet', `--junitxml=${report}`];
  const code = await run(python, args, { cwd: join(root, 'python-provider') });
  return believed(code, async () => readPytest(await readFile(report, 'utf8')));
};

const suites = (): Suite[] => [
  { name: 'check', tally: check },
  { name: 'vitest', tally: vitest },
  ...(hasPython() ? [{ name: 'pytest', tally: pytest }] : []),
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
