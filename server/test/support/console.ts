import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { locateConsole } from '../../src/console/build.ts';
import { isBuilt, openConsole } from '../../src/console/files.ts';
import type { ConsoleSource } from '../../src/http/console.ts';

export type BuiltConsole = { readonly folder: string; readonly source: ConsoleSource };

/** Returns the console of this checkout. Builds it first, unless that has been done for its current sources. */
export const builtConsole = async (): Promise<BuiltConsole> => {
  const location = locateConsole((problem, reason) => {
    throw new Error(`${problem}: ${reason}`);
  });
  if (location?.builder === undefined) throw new Error('this checkout has no console');
  const { builder, folder } = location;
  if (!isBuilt(folder)) await promisify(execFile)(process.execPath, [builder, folder]);
  return { folder, source: openConsole(folder) };
};
