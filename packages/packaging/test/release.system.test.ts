import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { addVersion } from '../src/changelog.ts';
import { PACKAGES, root } from '../src/packages.ts';
import { run } from './support/run.ts';

const FOLDERS = PACKAGES.map(({ folder }) => relative(root, folder));
const TOOL = 'packages/packaging/node_modules/@changesets/cli';

/** A copy of the files that a release reads, so the versions of the repository stay unchanged. */
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pennon-release-'));
  const manifests = [
    ...FOLDERS,
    'packages/schema',
    'packages/packaging',
    'packages/spec',
    'server',
    '.',
  ];
  const files = manifests.map(folder => join(folder, 'package.json'));
  for (const file of [...files, 'pnpm-workspace.yaml', '.changeset']) {
    cpSync(join(root, file), join(directory, file), { recursive: true });
  }
  mkdirSync(dirname(join(directory, TOOL)), { recursive: true });
  symlinkSync(join(root, TOOL), join(directory, TOOL));
});
afterEach(() => rmSync(directory, { recursive: true }));

const versions = () =>
  FOLDERS.map(folder =>
    JSON.parse(readFileSync(join(directory, folder, 'package.json'), 'utf8')),
  ).map(({ version }) => String(version));

it('raises all published packages to one version and writes changelogs', async () => {
  writeFileSync(
    join(directory, '.changeset/a-change.md'),
    `---\n'@pennon/sync': patch\n---\n\nWhat is new.\n`,
  );
  const before = versions();
  // Without a lockfile the copy has nothing to install.
  const pnpm = ['-y', 'pnpm', '--config.verify-deps-before-run=false'];
  await run('npx', [...pnpm, '--filter', '@pennon/packaging', 'run', 'changeset', 'version'], {
    cwd: directory,
    env: { PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}` },
  });
  expect(new Set(versions()).size).toBe(1);
  expect(versions()).not.toEqual(before);
  const written = readFileSync(join(directory, 'packages/sync/CHANGELOG.md'), 'utf8');
  expect(written).toContain('What is new.');
  expect(addVersion('# Changelog\n', String(versions()[0]), [written])).toContain('- What is new.');
});
