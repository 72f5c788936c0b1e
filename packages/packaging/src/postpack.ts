/** Runs after the package in the current directory was packed: `dist` is again what the repository builds. */
import { build } from './build.ts';

build();
