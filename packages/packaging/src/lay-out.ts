/**
 * Lays the package in the current directory out in a folder as whoever installs it finds it, but for its
 * declarations: what is measured there is what is published, and nothing in the repository changes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundleInto } from './bundle.ts';

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => {
  if (typeof value !== 'object' || value === null) throw new Error('this is no manifest');
  return { ...value };
};

const [, , folder = ''] = process.argv;
const manifest = fieldsOf(JSON.parse(readFileSync('package.json', 'utf8')));
const published = { ...manifest, ...fieldsOf(manifest['publishConfig']) };

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), JSON.stringify(published));
bundleInto(join(folder, 'dist'));
