import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { readInstalled } from './manifest.ts';

/** Returns the licenses of the packages that are part of a bundle. Empty if there are none. */
export const licensesOf = (inputs: readonly string[]): string => {
  const folders = new Set(inputs.flatMap(input => packageFolder(input) ?? []));
  return [...folders].toSorted().map(licenseOf).join('\n');
};

/** Cuts a path after the last `node_modules/<name>`. */
export const packageFolder = (path: string): string | undefined =>
  /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];

const licenseOf = (folder: string): string => {
  const { name, version } = readInstalled(folder);
  const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each));
  if (file === undefined) throw new Error(`${name} has no license file to publish with its code`);
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
};
