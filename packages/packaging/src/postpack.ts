/** Runs after the package in the current directory is packed, and restores the `dist` of the repository. */
import { build } from './build.ts';

build();
