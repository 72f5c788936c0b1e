import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const folder = new URL('../..', import.meta.url).pathname;
const writer = new URL('../../../../packages/packaging/src/write-package.ts', import.meta.url)
  .pathname;

/** Writes the package as users install it to a new folder, and returns the path of the code that pages load. */
export const writePublished = async (): Promise<string> => {
  const target = mkdtempSync(join(tmpdir(), 'pennon-web-provider-'));
  await promisify(execFile)(process.execPath, [writer, target], { cwd: folder });
  return join(target, 'dist/index.js');
};
