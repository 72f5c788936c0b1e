import { join } from 'node:path';

import { preparePython, python } from './python.ts';
import { root, run } from './run.ts';

/**
 * `pnpm bench` runs every benchmark, `pnpm bench http` one of them, and `--quick` shortens them. `pnpm bench many`
 * also measures a Redis with `--redis=redis://…`.
 */
const args = process.argv.slice(2);
const names = args.filter(arg => !arg.startsWith('--'));
const options = args.filter(arg => arg === '--quick');

const runPython = async (): Promise<number> => {
  const problem = await preparePython();
  if (problem === undefined)
    return run(python, ['bench', ...options], { cwd: join(root, 'python-provider') });
  console.error(problem);
  return 1;
};

// One after the other, because benchmarks that run at the same time slow each other down.
const others = args.filter(arg => arg !== 'python');
const isPythonOnly = names.length === 1 && names[0] === 'python';
const typescriptCode = isPythonOnly
  ? 0
  : await run(process.execPath, [join(root, 'packages', 'bench', 'src', 'main.ts'), ...others]);
const runsPython = names.length === 0 || names.includes('python');
const pythonCode = runsPython ? await runPython() : 0;
process.exitCode = typescriptCode === 0 ? pythonCode : typescriptCode;
