import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

const script = new URL('../vectors.ts', import.meta.url).pathname;
const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pennon-vectors-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const write = async (name: string, value: number): Promise<string> => {
  const path = join(folder, name);
  const cases = [{ id: 'half', call: 'normal.sf', input: { x: 0 }, expected: { value } }];
  await writeFile(path, JSON.stringify({ relative: 1e-9, cases }));
  return path;
};

test('a file whose results are all the same ends with 0', async () => {
  const path = await write('right.json', 0.5);
  const { stdout } = await run(process.execPath, [script, path]);
  expect(stdout).toBe(`${path}: 1 cases, 0 differences\n`);
});

test('a file with another result ends with 1 and prints what differs', async () => {
  const path = await write('wrong.json', 0.4);
  await expect(run(process.execPath, [script, path])).rejects.toMatchObject({
    code: 1,
    stdout: `half.value: got 0.5, expected 0.4\n${path}: 1 cases, 1 differences\n`,
  });
});

test.each([
  ['no JSON', 'nonsense', /^(?<path>\S+): .*JSON.*\n\k<path>: 0 cases, 1 differences\n$/],
  ['no cases', '{"cases": []}', /^(?<path>\S+): the file needs .*\n\k<path>: 0 cases, 1 diff/],
  ['an unknown function', '{"cases": [{"id": "a", "call": "b"}]}', /^a: this package has no/],
  ['a log without parts', '{"cases": [{"id": "a", "batches": []}, null]}', /^a: .*\ncase 1: /],
])('a file with %s ends with 1 and prints why', async (name, text, stdout) => {
  const path = join(folder, `${name.replaceAll(' ', '-')}.json`);
  await writeFile(path, text);
  await expect(run(process.execPath, [script, path])).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(stdout),
    stderr: '',
  });
});

test('a file of logs is run too', async () => {
  const path = new URL('vectors/folds.json', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [script, path]);
  expect(stdout).toBe(`${path}: 19 cases, 0 differences\n`);
});

test('without a file it ends with its usage', async () => {
  await expect(run(process.execPath, [script])).rejects.toMatchObject({
    stderr: expect.stringContaining('usage: node packages/statistics/vectors.ts FILE'),
  });
});
