import { globSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';

import { isInstalled, root, run } from './run.ts';

/**
 * A program that some tests start, and the Debian package that provides it. It is installed only if
 * a test file matches `usedBy`.
 */
export type SystemPackage = {
  readonly program: string;
  readonly debian: string;
  readonly usedBy: string;
};

export const SYSTEM_PACKAGES: readonly SystemPackage[] = [
  {
    program: 'curl',
    debian: 'curl',
    usedBy: 'server/test/{readme,start}.system.test.ts',
  },
  {
    program: 'redis-server',
    debian: 'redis-server',
    usedBy: '{server,packages/*,providers/*}/test/**/*{redis,service}*.test.ts',
  },
  {
    program: 'faketime',
    debian: 'faketime',
    usedBy: 'server/test/wall-clock.system.test.ts',
  },
  {
    program: 'nginx',
    debian: 'nginx-light',
    usedBy: '{server/test/deploy/*,packages/console/test/proxy-*}.system.test.ts',
  },
  {
    program: 'caddy',
    debian: 'caddy',
    usedBy: 'server/test/deploy/{proxy,http2}.system.test.ts',
  },
  {
    program: 'chromium',
    debian: 'chromium',
    usedBy: '{server,packages/*,providers/*}/test/**/*{browser,react,published}*.test.ts',
  },
];

/** Returns the packages that the tests below `cwd` use and that are not installed. */
export const findMissing = async (
  packages: readonly SystemPackage[],
  cwd: string,
): Promise<SystemPackage[]> => {
  const used = packages.filter(({ usedBy }) => globSync(usedBy, { cwd }).length > 0);
  const installed = await Promise.all(used.map(({ program }) => isInstalled(program)));
  return used.filter((_, index) => !installed[index]);
};

const POLICY = '/usr/sbin/policy-rc.d';

/** Keeps Debian from starting the services that it installs. A policy that exists is not replaced. */
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
  process.getuid?.() === 0 && (await isInstalled('apt-get'));

/** Installs Debian packages without starting a service. Returns a problem with its remedy, if any. */
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

/** Installs the programs that the tests use. Returns a problem with its remedy, if any. */
export const installMissing = async (): Promise<string | undefined> => {
  const missing = await findMissing(SYSTEM_PACKAGES, root);
  return missing.length === 0 ? undefined : installDebian(missing.map(({ debian }) => debian));
};
