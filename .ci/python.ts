import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { installDebian } from './system-packages.ts';
import { root, run } from './run.ts';

const folder = join(root, 'python-provider');
const environment = join(folder, '.venv');
const stampFile = join(environment, 'pennon-stamp');

export const hasPython = (): boolean => existsSync(join(folder, 'pyproject.toml'));

/** The Python of the provider's own virtual environment. */
export const python = join(environment, 'bin', 'python');

/** What was installed, and where: an environment that was copied elsewhere does not work there. */
const stampWanted = async (): Promise<string> => {
  const project = await readFile(join(folder, 'pyproject.toml'));
  return createHash('sha256').update(environment).update(project).digest('hex');
};

const stampFound = (): Promise<string> => readFile(stampFile, 'utf8').catch(() => '');

const makeEnvironment = (): Promise<number> =>
  run('python3', ['-m', 'venv', '--clear', environment]);

/** Debian ships Python without what makes virtual environments. */
const environmentMade = async (): Promise<string | undefined> => {
  if ((await makeEnvironment()) === 0) return undefined;
  const problem = await installDebian(['python3', 'python3-venv']);
  if (problem !== undefined) return problem;
  return (await makeEnvironment()) === 0 ? undefined : 'python3 -m venv failed';
};

/** Installs the provider and its tools unless that is done already; else says why it cannot. */
export const preparePython = async (): Promise<string | undefined> => {
  const wanted = await stampWanted();
  if ((await stampFound()) === wanted) return undefined;
  console.log('Installing the Python provider and its tools …');
  const problem = await environmentMade();
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
  await writeFile(stampFile, wanted);
  return undefined;
};
