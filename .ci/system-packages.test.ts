import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { findMissing, SYSTEM_PACKAGES } from './system-packages.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pennon-packages-'));
  await mkdir(join(folder, 'server/test/store'), { recursive: true });
  await writeFile(join(folder, 'server/test/store/redis.test.ts'), '');
});
afterAll(() => rm(folder, { recursive: true }));

const usedBy = '{server,packages/*}/test/**/*redis*.test.ts';

test('a program that a test uses and that is not installed is missing', async () => {
  const unknown = { program: 'pennon-no-such-program', debian: 'none', usedBy };
  expect(await findMissing([unknown], folder)).toEqual([unknown]);
});

test('a program that no test uses is not missing', async () => {
  const unused = {
    program: 'pennon-no-such-program',
    debian: 'none',
    usedBy: '**/*.browser.test.ts',
  };
  expect(await findMissing([unused], folder)).toEqual([]);
});

test('a program that is installed is not missing', async () => {
  expect(await findMissing([{ program: 'sh', debian: 'dash', usedBy }], folder)).toEqual([]);
});

test('every system package names its program and the tests that start it', () => {
  for (const { program, usedBy: tests } of SYSTEM_PACKAGES) {
    expect(program).toMatch(/^[a-z-]+$/);
    expect(tests).toMatch(/\.test\.ts$/);
  }
});
