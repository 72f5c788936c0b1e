import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { root, run } from './run.ts';
import { installDebian } from './system-packages.ts';

const folder = join(root, 'python-provider');
const environment = join(folder, '.venv');
const stampPath = join(environment, 'pennon-stamp');

export const hasPython = (): boolean => existsSync(join(folder, 'pyproject.toml'));

/** The Python of the provider's own virtual environment. */
export const python = join(environment, 'bin', 'python');

/**
 * Identifies what must be installed and where: a virtual environment that was copied to another
 * folder does not work.
 */
const expectedStamp = async (): Promise<string> => {
  const project = await readFile(join(folder, 'pyproject.toml'));
  return createHash('sha256').update(environment).update(project).digest('hex');
};

const installedStamp = (): Promise<string> => readFile(stampPath, 'utf8').catch(() => '');

const createEnvironment = (): Promise<number> =>
  run('python3', ['-m', 'venv', '--clear', environment]);

/** Returns a problem, if any. Debian's Python lacks the module that creates virtual environments. */
const createOrInstall = async (): Promise<string | undefined> => {
  if ((await createEnvironment()) === 0) return undefined;
  const problem = await installDebian(['python3', 'python3-venv']);
  if (problem !== undefined) return problem;
  return (await createEnvironment()) === 0 ? undefined : 'python3 -m venv failed';
};

/** Installs the provider and its tools unless they are up to date. Returns a problem, if any. */
export const preparePython = async (): Promise<string | undefined> => {
  const stamp = await expectedStamp();
  if ((await installedStamp()) === stamp) return undefined;
  console.log('Installing the Python provider and its tools …');
  const problem = await createOrInstall();
  if (problem !== undefined) return problem;
  const options = ['--quiet', '--disable-pip-version-check', '--no-input'];
  const code = await run(python, [
    '-m',
    'pip',
    'install',
    ...options,
    '-e',
    `${folder}[dev,bench]`,
  ]);
  if (code !== 0) return `pip install -e '${folder}[dev,bench]' failed`;
  await writeFile(stampPath, stamp);
  return undefined;
};
