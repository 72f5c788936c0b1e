import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { missing, NEEDS } from './system-packages.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pennon-needs-'));
  await mkdir(join(folder, 'server/test/store'), { recursive: true });
  await writeFile(join(folder, 'server/test/store/redis.test.ts'), '');
});
afterAll(() => rm(folder, { recursive: true }));

const usedBy = '{server,packages/*}/test/**/*redis*.test.ts';

test('a program that a test needs and that is not there is missing', async () => {
  const need = { program: 'pennon-no-such-program', debian: 'none', usedBy };
  expect(await missing([need], folder)).toEqual([need]);
});

test('a program that no test needs is not missed', async () => {
  const unused = {
    program: 'pennon-no-such-program',
    debian: 'none',
    usedBy: '**/*.browser.test.ts',
  };
  expect(await missing([unused], folder)).toEqual([]);
});

test('a program that is there is not missing', async () => {
  expect(await missing([{ program: 'sh', debian: 'dash', usedBy }], folder)).toEqual([]);
});

test('every program is told by its Debian package and by the tests that start it', () => {
  for (const need of NEEDS) {
    expect(need.program).toMatch(/^[a-z-]+$/);
    expect(need.usedBy).toMatch(/\.test\.ts$/);
  }
});
