/**
 * Makes the declarations of the package in the current directory stand without @pennon/schema: the types
 * that they take from there are written out in `dist/schema.d.ts`. Only types are: a package whose code
 * needs the schemas must depend on them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { Named } from './written-out.ts';
import { requireSelfContained, writtenOut } from './written-out.ts';

const SCHEMA = '@pennon/schema';
const dist = 'dist';

const filesEnding = (ending: string) =>
  readdirSync(dist)
    .filter(name => name.endsWith(ending))
    .map(name => join(dist, name))
    .filter(file => readFileSync(file, 'utf8').includes(`'${SCHEMA}'`));

/** `import type { A, B as C } from '@pennon/schema'` */
const namesIn = (declarations: string): readonly Named[] =>
  [...declarations.matchAll(/\{([^{}]*)\} from '@pennon\/schema'/g)].flatMap(([, list = '']) =>
    list
      .split(',')
      .map(name => ({ name: name.replace(/\btype\b| as .*/g, '').trim(), module: SCHEMA })),
  );

/** For the package in the current directory; nothing happens where it needs none. */
export const writeOutSchema = (): void => {
  const [code] = filesEnding('.js');
  if (code !== undefined) throw new Error(`${code} needs ${SCHEMA} when it runs: depend on it`);
  const files = filesEnding('.d.ts');
  if (files.length === 0) return;
  const named = files.flatMap(file => namesIn(readFileSync(file, 'utf8')));
  const types = [...writtenOut(named, resolve(dist))];
  const text = [
    '// The types of the data, written out. Do not edit.\n',
    ...types.map(([name, type]) => `export type ${name} = ${type};\n`),
  ].join('');
  requireSelfContained(text);
  writeFileSync(join(dist, 'schema.d.ts'), text);
  for (const file of files) {
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`'${SCHEMA}'`, `'./schema.js'`));
  }
};
