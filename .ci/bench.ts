import { join } from 'node:path';

import { preparePython, python } from './python.ts';
import { root, run } from './run.ts';

/** Every benchmark, one after the other, since they share a processor: TypeScript, then Python. */
const typescript = await run(process.execPath, [join(root, 'packages', 'bench', 'src', 'main.ts')]);
const problem = await preparePython();
if (problem !== undefined) console.error(problem);
const inPython =
  problem === undefined ? await run(python, ['bench'], { cwd: join(root, 'python-provider') }) : 1;
process.exitCode = typescript === 0 ? inPython : typescript;
