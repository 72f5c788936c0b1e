import { expandShortForm } from '@pennon/engine/core';
import { isJsonObject } from '@pennon/sync';
import type { JsonObject } from '@pennon/sync';

/** A flag set as it was received or read. The engine checks each flag when it compiles it. */
export type RawFlagSet = {
  readonly formatVersion?: unknown;
  readonly flags: JsonObject;
  readonly segments?: unknown;
  readonly environment?: unknown;
  readonly revision?: unknown;
  readonly id?: unknown;
};

const hasFlags = (value: JsonObject): value is JsonObject & RawFlagSet =>
  isJsonObject(value['flags']);

const expandFlags = (flags: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, expandShortForm(flag, key)]));

/**
 * Returns the flag set, with flags in the short form expanded. A flag set with a `formatVersion` was written
 * by a server, always in the full form, and is returned as it is. Throws if the value is not a flag set.
 */
export const parseFlagSet = (value: unknown): RawFlagSet => {
  if (!isJsonObject(value) || !hasFlags(value)) {
    throw new Error('it must be an object with an object "flags"');
  }
  return Object.hasOwn(value, 'formatVersion')
    ? value
    : { ...value, flags: expandFlags(value.flags) };
};

/** The YAML parser is loaded on first use: most applications never need it. */
const parseText = async (path: string, text: string): Promise<unknown> =>
  /\.ya?ml$/i.test(path)
    ? (await import('yaml')).parse(text, { logLevel: 'error' })
    : // Editors on Windows start a file with a byte order mark.
      JSON.parse(text.replace(/^\uFEFF/, ''));

/** Reads a flag set from a JSON or YAML file. Rejects with a message that names the file. */
export const readFlagFile = async (path: string): Promise<RawFlagSet> => {
  try {
    const { readFile } = await import('node:fs/promises');
    return parseFlagSet(await parseText(path, await readFile(path, 'utf8')));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be used: ${reason}`, { cause: error });
  }
};
