import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';

import { compiler } from './inline-types.ts';

/** Builds the package in the current directory from scratch, so that no outdated file is published. */
export const build = (): void => {
  rmSync('dist', { recursive: true, force: true });
  rmSync('tsconfig.tsbuildinfo', { force: true });
  execFileSync(process.execPath, [compiler, '-b'], { stdio: 'inherit' });
};
