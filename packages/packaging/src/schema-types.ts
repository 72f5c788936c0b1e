/**
 * Removes @pennon/schema from the declarations of the package in the current directory: the types that
 * they import from it are copied to `dist/schema.d.ts`. This works for types only: a package with code that
 * imports the schemas must depend on them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { TypeReference } from './inline-types.ts';
import { inlineTypes, requireSelfContained } from './inline-types.ts';

const SCHEMA = '@pennon/schema';
const dist = 'dist';

const filesEnding = (ending: string) =>
  readdirSync(dist)
    .filter(name => name.endsWith(ending))
    .map(name => join(dist, name))
    .filter(file => readFileSync(file, 'utf8').includes(`'${SCHEMA}'`));

/** Finds `A` and `B` in `import type { A, B as C } from '@pennon/schema'`. */
const referencesIn = (declarations: string): readonly TypeReference[] =>
  [...declarations.matchAll(/\{([^{}]*)\} from '@pennon\/schema'/g)].flatMap(([, list = '']) =>
    list
      .split(',')
      .map(name => ({ name: name.replace(/\btype\b| as .*/g, '').trim(), module: SCHEMA })),
  );

/** Does nothing if the declarations do not import the schemas. */
export const inlineSchemaTypes = (): void => {
  const [code] = filesEnding('.js');
  if (code !== undefined)
    throw new Error(`${code} imports ${SCHEMA} at run time: add it to the dependencies`);
  const files = filesEnding('.d.ts');
  if (files.length === 0) return;
  const references = files.flatMap(file => referencesIn(readFileSync(file, 'utf8')));
  const types = [...inlineTypes(references, resolve(dist))];
  const text = [
    '// The types of @pennon/schema that this package uses. Do not edit.\n',
    ...types.map(([name, type]) => `export type ${name} = ${type};\n`),
  ].join('');
  requireSelfContained(text);
  writeFileSync(join(dist, 'schema.d.ts'), text);
  for (const file of files) {
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`'${SCHEMA}'`, `'./schema.js'`));
  }
};
