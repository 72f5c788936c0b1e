import { readdir, readFile } from 'node:fs/promises';

import { expect, test } from 'vitest';

import { directory, files } from '../generate.ts';

const hint = 'run "pnpm --filter @pennon/spec generate"';

const generated = files();

test.each([...generated])(
  '%s is up to date with the schemas and the engine',
  async (path, text) => {
    expect(await readFile(new URL(path, directory), 'utf8'), hint).toBe(text);
  },
);

test('no generated file is obsolete', async () => {
  const written = (await readdir(new URL('schema/', directory))).map(name => `schema/${name}`);
  expect(written.filter(path => !generated.has(path))).toEqual([]);
});
