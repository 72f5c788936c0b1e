import { join } from 'node:path';

import { preparePython, python } from './python.ts';
import { root, run } from './run.ts';

// One after the other, because benchmarks that run at the same time slow each other down.
const typescriptCode = await run(process.execPath, [
  join(root, 'packages', 'bench', 'src', 'main.ts'),
]);
const problem = await preparePython();
if (problem !== undefined) console.error(problem);
const pythonCode =
  problem === undefined ? await run(python, ['bench'], { cwd: join(root, 'python-provider') }) : 1;
process.exitCode = typescriptCode === 0 ? pythonCode : typescriptCode;
