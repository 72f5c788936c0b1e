import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { eventually } from '../../../packages/sync/test/support/patience.ts';
import { readCacheFile, readFlagFile } from '../src/flag-file.ts';
import { PennonProvider } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import { openOn } from './support/open.ts';

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
  await rm(directory, { recursive: true, maxRetries: 5 });
});

const withDirectory = async (use: (directory: string) => Promise<void>): Promise<void> => {
  const directory = await mkdtemp(join(tmpdir(), 'pennon-numbers-'));
  try {
    await use(directory);
  } finally {
    await rm(directory, { recursive: true, maxRetries: 5 });
  }
};

const MESSAGE = /flags\.f\.variants\.a is 900719925474099\d, which .*write it as text/;
const exported =
  '{"formatVersion":1,"flags":{"f":{"type":"number","enabled":true,"variants":{"a":9007199254740993},"defaultVariant":"a"}}}';

it('a JSON file in the full form is refused if a person has edited its numbers', () =>
  withDirectory(async directory => {
    const file = join(directory, 'flags.json');
    await writeFile(file, exported);
    await expect(readFlagFile(file)).rejects.toThrow(MESSAGE);
    await expect(readCacheFile(file)).resolves.toHaveProperty('flags');
  }));

it.each([2 ** 53, 2 ** 60, -1e20])('a server may have written the number %s', number =>
  withDirectory(async directory => {
    const file = join(directory, 'flags.json');
    await writeFile(file, exported.replace('9007199254740993', String(number)));
    await expect(readFlagFile(file)).resolves.toHaveProperty('flags.f.variants.a', number);
  }),
);

it('a number of YAML 1.1 is refused', () =>
  withDirectory(async directory => {
    const file = join(directory, 'flags.yaml');
    const text = exported.replace('9007199254740993', '9_007_199_254_740_993');
    await writeFile(file, `%YAML 1.1\n---\n${text}`);
    await expect(readFlagFile(file)).rejects.toThrow(MESSAGE);
  }));

it.each(['file', 'object'])('the option bootstrap is refused as a %s', form =>
  withDirectory(async directory => {
    const file = join(directory, 'flags.json');
    await writeFile(file, exported);
    const { flags: received } = JSON.parse(exported);
    const bootstrap = form === 'file' ? file : { flags: received };
    const server = startFakeServer();
    server.behave('broken');
    const warnings: string[] = [];
    const logger = { ...console, warn: (message: string) => void warnings.push(message) };
    const { started } = openOn(server, { bootstrap, logger });
    await eventually(() => expect(warnings.join()).toMatch(MESSAGE));
    await server.advance(2_000);
    expect(await started).toContain('no flags available');
  }),
);

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
