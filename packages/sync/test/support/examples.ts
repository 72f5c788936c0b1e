import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect, it, vi } from 'vitest';

const PAGE = new URL('../../../../docs/testing.md', import.meta.url);

/** Returns the JavaScript examples of docs/testing.md with a label, such as `server`. */
const readExamples = (label: string): readonly string[] =>
  Array.from(
    readFileSync(PAGE, 'utf8').matchAll(new RegExp(`\`\`\`js ${label}\n(.*?)\n\`\`\``, 'gs')),
    ([, text = '']) => text,
  );

/** Returns the first example of the README in `directory`, with a server that does not exist. */
const readmeExample = (directory: string): string => {
  const readme = readFileSync(join(directory, 'README.md'), 'utf8');
  const [, text = ''] = /```ts\n(.*?)\n```/s.exec(readme) ?? [];
  return text
    .replace('https://flags.example.com', 'http://127.0.0.1:2')
    .replace('pennon_', 'a-key')
    .replace('…', '')
    .replace(/\n *cacheFile:[^\n]*/, '');
};

let examplesRun = 0;

/** Runs an example as a module of the package in `directory`, with the sources of that package. */
const runExample = async (text: string, directory: string): Promise<void> => {
  const folder = join(directory, 'node_modules', '.examples');
  // A module is only run the first time that it is imported.
  examplesRun += 1;
  const file = join(folder, `${process.pid}-${examplesRun}.mjs`);
  mkdirSync(folder, { recursive: true });
  const source = pathToFileURL(join(directory, 'src', 'index.ts')).href;
  writeFileSync(file, text.replace(/'@pennon\/[\w-]+'/, `'${source}'`));
  try {
    await import(pathToFileURL(file).href);
  } finally {
    rmSync(file);
  }
};

/** The tests of the examples of one provider, which both providers share. */
export const testExamples = (
  label: string,
  directory: string,
  openFeature: { close(): Promise<void> },
): void => {
  it('the examples of docs/testing.md run', async () => {
    const examples = readExamples(label);
    expect(examples.length).toBeGreaterThan(0);
    // oxlint-disable-next-line no-await-in-loop -- each example sets the provider of the process
    for (const example of examples) await runExample(example, directory);
  });

  it('the first example of the README survives a server that is down', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await runExample(readmeExample(directory), directory);
    expect(logged).toHaveBeenCalledWith(
      expect.stringMatching(/^no (flags|values) yet:$/),
      expect.any(Error),
    );
    await openFeature.close();
  });
};
