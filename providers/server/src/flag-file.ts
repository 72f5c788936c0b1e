import { expandShortForm } from '@pennon/engine/core';

import { files } from './files.ts';

export type Fields = { readonly [name: string]: unknown };

/** A flag set as somebody else made it: the engine looks at what is in it. */
export type Content = {
  readonly formatVersion?: unknown;
  readonly flags: Fields;
  readonly segments?: unknown;
  readonly environment?: unknown;
  readonly revision?: unknown;
  readonly id?: unknown;
};

/** Neither null nor a list. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is no record has no entries. */
export const recordOf = (value: unknown): Fields => (isFields(value) ? value : {});

const isContent = (value: Fields): value is Fields & Content => isFields(value['flags']);

const filledIn = (flags: Fields): Fields =>
  Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, expandShortForm(flag, key)]));

/** What says its `formatVersion` was written by a machine in the full form, and is taken as it is. */
export const contentOf = (value: unknown): Content => {
  if (!isFields(value) || !isContent(value)) {
    throw new Error('it must be an object with an object of "flags" in it');
  }
  return Object.hasOwn(value, 'formatVersion') ? value : { ...value, flags: filledIn(value.flags) };
};

/** YAML is loaded by those who use it. */
const parse = async (path: string, text: string): Promise<unknown> =>
  /\.ya?ml$/i.test(path)
    ? (await import('yaml')).parse(text, { logLevel: 'error' })
    : // Editors of Windows begin a file with a mark of its byte order.
      JSON.parse(text.replace(/^\uFEFF/, ''));

/** The flags of a file. Rejects with a message that names the file. */
export const readFlagFile = async (path: string): Promise<Content> => {
  try {
    const { readFile } = await files();
    return contentOf(await parse(path, await readFile(path, 'utf8')));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be used: ${why}`, { cause: error });
  }
};
