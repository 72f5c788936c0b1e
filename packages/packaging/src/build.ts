import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';

import { compiler } from './written-out.ts';

/** Builds the package in the current directory from nothing, so that no file of former times is published. */
export const build = (): void => {
  rmSync('dist', { recursive: true, force: true });
  rmSync('tsconfig.tsbuildinfo', { force: true });
  execFileSync(process.execPath, [compiler, '-b'], { stdio: 'inherit' });
};
