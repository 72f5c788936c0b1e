import { globSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';

import { isThere, root, run } from './run.ts';

/** A program that some tests start, the Debian package that has it, and which tests those are. */
export type Need = { readonly program: string; readonly debian: string; readonly usedBy: string };

/** It is installed only where a file matches `usedBy`. */
export const NEEDS: readonly Need[] = [
  {
    program: 'curl',
    debian: 'curl',
    usedBy: 'server/test/{readme,start}.system.test.ts',
  },
  {
    program: 'redis-server',
    debian: 'redis-server',
    usedBy: '{server,packages/*,providers/*}/test/**/*redis*.test.ts',
  },
  {
    program: 'chromium',
    debian: 'chromium',
    usedBy: '{server,packages/*,providers/*}/test/**/*{browser,react,published}*.test.ts',
  },
];

/** Programs that the tests need and that are not there. */
export const missing = async (needs: readonly Need[], cwd: string): Promise<Need[]> => {
  const needed = needs.filter(({ usedBy }) => globSync(usedBy, { cwd }).length > 0);
  const there = await Promise.all(needed.map(({ program }) => isThere(program)));
  return needed.filter((_, index) => !there[index]);
};

const POLICY = '/usr/sbin/policy-rc.d';

/** Debian starts what it installs unless this policy says no; one that stands there already is kept. */
const withoutStarting = async <Result>(install: () => Promise<Result>): Promise<Result> => {
  const isOurs = await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' }).then(
    () => true,
    () => false,
  );
  try {
    return await install();
  } finally {
    if (isOurs) await rm(POLICY, { force: true });
  }
};

const canInstall = async (): Promise<boolean> =>
  process.getuid?.() === 0 && (await isThere('apt-get'));

/** Installs Debian packages without starting a service; a sentence that says what to do where it cannot. */
export const installDebian = async (packages: readonly string[]): Promise<string | undefined> => {
  const remedy = `install ${packages.join(', ')} (on Debian: apt-get install ${packages.join(' ')})`;
  if (!(await canInstall())) return `this user cannot install programs: ${remedy}`;
  console.log(`Installing ${packages.join(', ')} …`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const code = await withoutStarting(async () => {
    await run('apt-get', ['-qq', 'update'], { env });
    return run('apt-get', ['-qq', '-y', '--no-install-recommends', 'install', ...packages], {
      env,
    });
  });
  return code === 0 ? undefined : `apt-get failed: ${remedy}`;
};

/** Makes sure that every program is there which a test needs; else says what to install. */
export const meetNeeds = async (): Promise<string | undefined> => {
  const needs = await missing(NEEDS, root);
  if (needs.length === 0) return undefined;
  return installDebian(needs.map(({ debian }) => debian));
};
