/**
 * Adds the current version to CHANGELOG.md. Run it after `changeset version`, which writes one changelog
 * for each package: all packages share a version, so their users read one list.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import { PACKAGES, root } from './packages.ts';

/** Returns the part of a changelog under the heading of `version`, without that heading. */
const sectionOf = (changelog: string, version: string): string => {
  const [, section = ''] = changelog.split(`\n## ${version}\n`);
  return section.split(/^## /m)[0] ?? '';
};

/** Lists the entries of a section without commit hashes and without raised dependencies. */
const entriesOf = (section: string): string[] =>
  section
    .split(/^### .*$|^(?=- )/m)
    .map(entry => entry.trim().replace(/^- (?:[0-9a-f]{7,40}: )?/, '- '))
    .filter(entry => entry.startsWith('- ') && !entry.startsWith('- Updated dependencies'));

/** Returns the changelog with a section for `version` on top, unless it already has one. */
export const addVersion = (
  changelog: string,
  version: string,
  packageChangelogs: readonly string[],
): string => {
  if (changelog.includes(`\n## ${version}\n`)) return changelog;
  const entries = packageChangelogs.flatMap(each => entriesOf(sectionOf(each, version)));
  const [title = '', ...older] = changelog.split(/^(?=## )/m);
  return `${title}## ${version}\n\n${[...new Set(entries)].join('\n')}\n\n${older.join('')}`;
};

if (import.meta.main) {
  const path = join(root, 'CHANGELOG.md');
  const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  const [first] = PACKAGES.map(({ folder }) => read(join(folder, 'package.json')));
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(first ?? ''));
  const changelogs = PACKAGES.map(({ folder }) => read(join(folder, 'CHANGELOG.md')));
  writeFileSync(path, addVersion(read(path), version, changelogs));
}
