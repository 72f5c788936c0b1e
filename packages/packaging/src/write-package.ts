/**
 * Writes the package in the current directory to a folder as users install it, without its declarations.
 * A benchmark can so measure the published code while the repository stays unchanged.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundleInto } from './bundle.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const toObject = (value: unknown): JsonObject => {
  if (typeof value !== 'object' || value === null)
    throw new Error('package.json must hold an object, and so must its publishConfig');
  return { ...value };
};

const [, , folder = ''] = process.argv;
const manifest = toObject(JSON.parse(readFileSync('package.json', 'utf8')));
const published = { ...manifest, ...toObject(manifest['publishConfig']) };

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), JSON.stringify(published));
bundleInto(join(folder, 'dist'));
