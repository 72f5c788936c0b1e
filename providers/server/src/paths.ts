import { resolve } from 'node:path';

import type { OptionForm } from '@pennon/sync';

/** URLs, patterns, JSON, folders, and what only a shell replaces. A file system would take them literally. */
const OTHER_TEXT =
  /^[a-z][a-z\d+.-]+:\/|[*\p{Cc}]|^\s|\s$|^[{[~]|^\$\w|\$[{(]|^%\w+%|(?:^|[/\\])\.{0,2}$/iu;

/** Whether a value can be the path of a file. Does not read the disk, which may never respond. */
export const isPath = (value: unknown): boolean =>
  typeof value === 'string' && !OTHER_TEXT.test(value);

const FORM =
  'the path of a file: not a folder, a URL, a pattern or JSON, and without "~" and variables, which are not replaced';

export const PATH: OptionForm = [isPath, FORM];

/** It is written as JSON, and read as YAML if it has the name of such a file. */
export const CACHE_FILE: OptionForm = [
  value => isPath(value) && !/\.ya?ml$/i.test(String(value)),
  `${FORM}. It has JSON, so it must not end in .yaml or .yml`,
];

/** Returns what is wrong with options that name the same file, or undefined. */
export const sameFileProblem = (options: object): string | undefined => {
  const { cacheFile, offlineFile, bootstrap }: Readonly<Record<string, unknown>> = { ...options };
  const isBootstrap = (path: unknown): boolean =>
    typeof path === 'string' &&
    typeof bootstrap === 'string' &&
    resolve(path) === resolve(bootstrap);
  if (isBootstrap(cacheFile))
    return '"cacheFile" must be another file than "bootstrap", because the provider replaces it';
  return isBootstrap(offlineFile)
    ? '"bootstrap" must be another file than "offlineFile": it is used if that one cannot be read'
    : undefined;
};
