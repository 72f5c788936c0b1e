import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PAGE = new URL('../../../../docs/testing.md', import.meta.url);

/** Returns the JavaScript examples of docs/testing.md with a label, such as `server`. */
export const readExamples = (label: string): readonly string[] =>
  Array.from(
    readFileSync(PAGE, 'utf8').matchAll(new RegExp(`\`\`\`js ${label}\n(.*?)\n\`\`\``, 'gs')),
    ([, text = '']) => text,
  );

/** Returns the first example of the README in `directory`, with a server that does not exist. */
export const readmeExample = (directory: string): string => {
  const readme = readFileSync(join(directory, 'README.md'), 'utf8');
  const [, text = ''] = /```ts\n(.*?)\n```/s.exec(readme) ?? [];
  return text
    .replace('https://flags.example.com', 'http://127.0.0.1:1')
    .replace('pennon_', 'a-key')
    .replace('…', '')
    .replace(/\n *cacheFile:[^\n]*/, '');
};

let examples = 0;

/** Runs an example as a module of the package in `directory`, with the sources of that package. */
export const runExample = async (text: string, directory: string): Promise<void> => {
  const folder = join(directory, 'node_modules', '.examples');
  // A module is only run the first time that it is imported.
  examples += 1;
  const file = join(folder, `${process.pid}-${examples}.mjs`);
  mkdirSync(folder, { recursive: true });
  const source = pathToFileURL(join(directory, 'src', 'index.ts')).href;
  writeFileSync(file, text.replace(/'@pennon\/[\w-]+'/, `'${source}'`));
  try {
    await import(pathToFileURL(file).href);
  } finally {
    rmSync(file);
  }
};
