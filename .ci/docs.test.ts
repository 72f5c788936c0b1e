import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const PAGES = globSync(
  ['*.md', '{docs,.github,.changeset}/**/*.md', '{packages,providers}/*/README.md'],
  { cwd: root },
).toSorted();

/** Folders at the root. A quoted text that begins with one of them is a path. */
const TOP = /^(?:\.ci|\.github|\.changeset|docs|packages|providers|python-provider|server)\//;

/** Paths with placeholders, such as `cases/<operator>.json` or `*.test.ts`, are matched as patterns. */
const exists = (path: string): boolean =>
  /[*<{]/.test(path)
    ? globSync(path.replaceAll(/<[^>]*>/g, '*'), { cwd: root }).length > 0
    : existsSync(join(root, path));

const folderOf = (path: string): string => (/\.\w+$/.test(path) ? dirname(path) : path);

/** A bare name of a source, such as `flag.ts`, is in the folder of the path before it in its line. */
const quotedPathsIn = (line: string): string[] => {
  const paths: string[] = [];
  for (const [, text = ''] of line.matchAll(/`([^`\s]+)`/g)) {
    const last = paths.at(-1);
    if (TOP.test(text)) paths.push(text);
    else if (last !== undefined && /^[\w-]+\.(?:ts|lua|py)$/.test(text))
      paths.push(join(folderOf(last), text));
  }
  return paths;
};

const quotedPaths = (page: string): string[] => read(page).split('\n').flatMap(quotedPathsIn);

const linkedPaths = (page: string): string[] =>
  [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, path = '']) =>
    join(dirname(page), path),
  );

test.each(PAGES)('every path in %s exists', page => {
  const missing = [...quotedPaths(page), ...linkedPaths(page)].filter(path => !exists(path));
  expect(missing).toEqual([]);
});

/** Blocks that a page introduces with "From `path`:", with that path. */
const quotedCode = (page: string): (readonly [path: string, code: string])[] =>
  [...read(page).matchAll(/From\s+`([^`]+)`[^\n]*:\n\n```\w+\n([\s\S]*?)```/g)].map(
    ([, path = '', code = '']) => [path, code],
  );

const withoutIndents = (code: string): string => code.replaceAll(/^ +/gm, '').trim();

test.each(PAGES.filter(page => quotedCode(page).length > 0))(
  'every example in %s is part of the file that it names',
  page => {
    for (const [path, code] of quotedCode(page))
      expect(withoutIndents(read(path))).toContain(withoutIndents(code));
  },
);

test('each decision has a number of its own and the same sections', () => {
  const records = globSync('docs/decisions/*.md', { cwd: root }).toSorted();
  const numbers = records.map(path => Number(/(\d{4})-[a-z\d-]+\.md$/.exec(path)?.[1]));
  expect(numbers).toEqual(records.map((_, index) => index + 1));
  for (const path of records) {
    const headings = [...read(path).matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(['Context', 'Decision', 'Options not taken', 'Consequences']);
  }
});

test('the changelog starts with the version of the packages', () => {
  const { version } = JSON.parse(read('packages/engine/package.json'));
  const [, latest] = /^## (\S+)$/m.exec(read('CHANGELOG.md')) ?? [];
  expect(latest).toBe(version);
});

/** The version tool ends with an error at a package that it does not publish. */
test('every changeset names packages that are published', () => {
  const { fixed } = JSON.parse(read('.changeset/config.json'));
  const named = globSync('.changeset/*.md', { cwd: root })
    .filter(path => !path.endsWith('README.md'))
    .flatMap(path => {
      const [, header = ''] = read(path).split('---\n');
      const packages = [...header.matchAll(/^['"]?([^'":\n]+)['"]?: (?:major|minor|patch)$/gm)];
      return packages.length === 0
        ? [[path, 'no package']]
        : packages.map(([, name]) => [path, name]);
    });
  expect(named.filter(([, name]) => !fixed.flat().includes(name))).toEqual([]);
});
