import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'vitest';

const root = new URL('../../..', import.meta.url).pathname;

/** A copy of the sources of the server and the console, without a build. */
export type Checkout = {
  readonly directory: string;
  /** The file that starts its server. */
  readonly main: string;
  /** The names of its builds, and of what failed ones leave. */
  readonly builds: () => string[];
  /** Adds text to a file of the console. */
  readonly append: (file: string, text: string) => void;
  /** Replaces the program that builds the console. */
  readonly replaceBuilder: (text: string) => void;
  /** Returns how often a build of the console has begun since the first call. */
  readonly countBuilds: () => number;
  /** Makes builds wait. Returns a function that lets them continue. */
  readonly holdBuilds: () => () => void;
  readonly remove: () => void;
};

export const copyCheckout = (): Checkout => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-checkout-'));
  chmodSync(directory, 0o755);
  const copy = (path: string) =>
    cpSync(join(root, path), join(directory, path), { recursive: true });
  const link = (path: string) => symlinkSync(join(root, path), join(directory, path));
  copy('server/src');
  copy('packages/console/src');
  for (const name of ['package.json', 'index.html', 'build.ts']) copy(`packages/console/${name}`);
  for (const name of ['pnpm-lock.yaml', 'server/node_modules', 'server/package.json']) link(name);
  link('packages/console/node_modules');
  const sources = join(directory, 'packages/console');
  const dist = join(sources, 'dist');
  const builder = join(sources, 'build.ts');
  const log = join(directory, 'builds.log');
  const hold = join(directory, 'builds.held');
  const waiting = `while ((await import('node:fs')).existsSync('${hold}')) await new Promise(resolve => setTimeout(resolve, 50));\n`;
  const append = (file: string, text: string) => appendFileSync(join(sources, file), text);
  return {
    directory,
    main: join(directory, 'server/src/main.ts'),
    builds: () => (existsSync(dist) ? readdirSync(dist) : []),
    append,
    replaceBuilder: text => writeFileSync(builder, text),
    countBuilds: () => {
      if (!existsSync(log)) {
        writeFileSync(log, '');
        // At the beginning, because the console is served before its build has ended.
        const counting = `(await import('node:fs')).appendFileSync('${log}', 'x');\n`;
        writeFileSync(builder, counting + readFileSync(builder, 'utf8'));
      }
      return readFileSync(log, 'utf8').length;
    },
    holdBuilds: () => {
      writeFileSync(hold, '');
      const text = readFileSync(builder, 'utf8');
      if (!text.startsWith(waiting)) writeFileSync(builder, waiting + text);
      return () => rmSync(hold);
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
};

/** A build takes long on a busy machine. Less than a test has. */
export const BUILD_MS = 240_000;

/** Waits for the console, and returns the names of its scripts. */
export const scriptsOf = async (url: string): Promise<string[]> => {
  let text = '';
  const open = async (): Promise<number> => {
    const response = await fetch(url);
    text = await response.text();
    return response.status;
  };
  await expect.poll(open, { timeout: BUILD_MS, interval: 200 }).toBe(200);
  return [...text.matchAll(/assets\/[\w-]+\.js/g)].map(([name]) => name);
};
