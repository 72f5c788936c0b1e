import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { readFlagFile } from '../src/flag-file.ts';
import { PennonProvider } from '../src/index.ts';

type Cases = {
  readonly yaml: readonly { readonly yaml: string; readonly path?: string }[];
  readonly flags: readonly { readonly flags: Record<string, unknown>; readonly path?: string }[];
};

const { yaml, flags }: Cases = JSON.parse(
  readFileSync(new URL('../../../packages/spec/exact-numbers.json', import.meta.url), 'utf8'),
);

it.each(yaml)('the offline file $yaml is refused at $path', async ({ yaml: text, path }) => {
  const directory = await mkdtemp(join(tmpdir(), 'pennon-numbers-'));
  const file = join(directory, 'flags.yaml');
  await writeFile(file, text);
  if (path === undefined) await expect(readFlagFile(file)).resolves.toHaveProperty('flags');
  else
    await expect(readFlagFile(file)).rejects.toThrow(new RegExp(`${path} is .*write it as text`));
  await rm(directory, { recursive: true });
});

it.each(flags)('the option flags with $flags is refused at $path', ({ flags: option, path }) => {
  const create = () => new PennonProvider({ flags: option });
  if (path === undefined) expect(create).not.toThrow();
  else expect(create).toThrow(new RegExp(`"flags": ${path} is .*write it as text`));
});

it('the option flags with a bigint is refused', () => {
  expect(() => new PennonProvider({ flags: { f: { id: 9007199254740993n } } })).toThrow(
    '"flags": f.id is 9007199254740993, which a number cannot represent exactly: write it as text',
  );
});
