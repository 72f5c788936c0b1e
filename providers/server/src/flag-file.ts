import { dirname, resolve } from 'node:path';

import {
  expandShortForm,
  findInexactNumbers,
  findInexactValue,
  inexactNumberMessage,
  isInexact,
} from '@pennon/engine/core';
import type { InexactNumber } from '@pennon/engine/core';
import { isJsonObject, localFlagProblem, localKeyProblem, unknownOption } from '@pennon/sync';
import type { JsonObject } from '@pennon/sync';

/** A flag set as it was received or read. The engine checks each flag when it compiles it. */
export type RawFlagSet = {
  readonly formatVersion?: unknown;
  readonly flags: JsonObject;
  readonly segments?: unknown;
  readonly environment?: unknown;
  readonly revision?: unknown;
  readonly id?: unknown;
  /** What is measured. */
  readonly experiments?: unknown;
  readonly tracked?: unknown;
  /** In a cache file: the hash of the key that the flags were received with. */
  readonly keyHash?: unknown;
  /** In a cache file: when the flags were last known to be current, in milliseconds since 1970. */
  readonly currentAt?: unknown;
};

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

const hasFlags = (value: JsonObject): value is JsonObject & RawFlagSet =>
  isJsonObject(value['flags']);

const expandFlags = (flags: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, expandShortForm(flag, key)]));

/**
 * Returns the flag set, with flags in the short form expanded. A flag set with a `formatVersion` was written
 * by a server, always in the full form, and is returned unchanged. Throws if the value is not a flag set.
 */
export const parseFlagSet = (value: unknown): RawFlagSet => {
  if (!isJsonObject(value) || !hasFlags(value)) {
    throw new Error('it must be an object with an object "flags"');
  }
  return Object.hasOwn(value, 'formatVersion')
    ? value
    : { ...value, flags: expandFlags(value.flags) };
};

/** The value of each flag, or the flag in the short form. */
export type LocalFlags = Readonly<Record<string, unknown>>;

const flagWith = (type: string, variants: object, defaultVariant: string) => ({
  type,
  enabled: true,
  variants,
  defaultVariant,
});

const unknownField = (flag: object, fields: readonly string[]): string | undefined =>
  unknownOption(flag, fields, 'field');

/** An object with `enabled` is a flag. Anything else is the value of a flag. */
const toFlag = (flagKey: string, flag: unknown): unknown => {
  const problem = localFlagProblem(flag, unknownField);
  if (problem !== undefined)
    throw new TypeError(`PennonProvider: the flag "${flagKey}": ${problem}`);
  if (typeof flag === 'boolean')
    return flagWith('boolean', { on: true, off: false }, flag ? 'on' : 'off');
  if (typeof flag === 'string' || typeof flag === 'number')
    return flagWith(typeof flag, { value: flag }, 'value');
  return isJsonObject(flag) && 'enabled' in flag
    ? flag
    : flagWith('object', { value: flag }, 'value');
};

/** Returns a flag set of the flags that an application passes itself. They are copied. */
export const parseLocalFlags = (flags: LocalFlags): RawFlagSet => {
  if (!isJsonObject(flags))
    throw new TypeError('PennonProvider: "flags" must be an object with flags or values by key');
  const problem = localKeyProblem(flags);
  if (problem !== undefined) throw new TypeError(`PennonProvider: ${problem}`);
  const number = findInexactValue(flags);
  if (number !== undefined) throw new TypeError(`PennonProvider: "flags": ${describe(number)}`);
  const entries = Object.entries(flags).map(([key, flag]) => [key, toFlag(key, flag)] as const);
  return { flags: expandFlags(structuredClone(Object.fromEntries(entries))) };
};

const describe = ({ path, text }: InexactNumber): string =>
  `${path.join('.')} ${inexactNumberMessage(text)}`;

/** In the full form, as a server writes it. */
const isExport = (value: unknown): boolean =>
  isJsonObject(value) && Object.hasOwn(value, 'formatVersion');

/** Whether a server writes a number like this: older releases stored numbers that they had rounded. */
const isServerText = (text: string): boolean => String(Number(text)) === text;

/** Throws if a number would become another one. The engine reports an infinite one as a problem of its flag only. */
const requireExactNumbers = (json: string, isFromServer: boolean): void => {
  const number = findInexactNumbers(json).find(
    ({ text }) => Number.isFinite(Number(text)) && !(isFromServer && isServerText(text)),
  );
  if (number !== undefined) throw new Error(describe(number));
};

/** Editors on Windows may put a byte order mark at the start of a file. */
const parseJson = (text: string): unknown => JSON.parse(text.replace(/^\uFEFF/, ''));

const parseExactJson = (text: string): unknown => {
  const value = parseJson(text);
  requireExactNumbers(text, isExport(value));
  return value;
};

/** Returns a number as it was written, unless YAML writes it otherwise than JSON. */
const numberText = (source: string | undefined, value: number): string => {
  const text = (source ?? '').replace(/^\+/, '').replaceAll('_', '');
  return Number(text) === value ? text : String(value);
};

/** The YAML parser is loaded on first use: most applications never need it. */
const parseYaml = async (text: string): Promise<unknown> => {
  const { isPair, isSeq, parseDocument, visit } = await import('yaml');
  const document = parseDocument(text, { logLevel: 'error' });
  const [error] = document.errors;
  if (error !== undefined) throw error;
  visit(document, {
    Scalar(_, node, ancestors) {
      if (typeof node.value !== 'number' || !Number.isFinite(node.value)) return;
      const number = numberText(node.source, node.value);
      if (!isInexact(number)) return;
      const nodes = [...ancestors, node];
      const path = nodes.flatMap((each, level): readonly (string | number)[] => {
        const parent = nodes[level - 1];
        if (isSeq(parent)) return [parent.items.indexOf(each)];
        return isPair(each) ? [String(each.key)] : [];
      });
      throw new Error(describe({ path, text: number }));
    },
  });
  return document.toJS();
};

const readFlags = async (path: string, parse: (text: string) => unknown): Promise<RawFlagSet> => {
  try {
    const { readFile } = await import('node:fs/promises');
    return parseFlagSet(await parse(await readFile(path, 'utf8')));
  } catch (error) {
    throw new Error(`${path} cannot be used: ${messageOf(error)}`, { cause: error });
  }
};

/** Reads a flag set from a JSON or YAML file. Rejects with a message that names the file. */
export const readFlagFile = (path: string): Promise<RawFlagSet> =>
  readFlags(path, /\.ya?ml$/i.test(path) ? parseYaml : parseExactJson);

/** The same for a file that a provider has written: a server has checked its numbers. */
export const readCacheFile = (path: string): Promise<RawFlagSet> => readFlags(path, parseJson);

/** Returns a copy of a flag set that an application passes. Throws if JSON text would not keep one of its numbers. */
export const parseBootstrap = (flagSet: object): RawFlagSet => {
  const number = isExport(flagSet) ? undefined : findInexactValue(flagSet);
  if (number !== undefined) throw new Error(describe(number));
  return parseFlagSet(structuredClone(flagSet));
};

/** Rejects if a path leads to a folder, a pipe or a device: these cannot be read, or replaced, as a file can. */
export const requireRegularFile = async (path: string): Promise<void> => {
  const { stat } = await import('node:fs/promises');
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (stats?.isFile() === false)
    throw new Error('it is not a regular file. Set the path of a file, or of one to be created');
};

/** Returns the path at the end of symbolic links, so that the file is replaced and not the link. */
const followLinks = async (path: string): Promise<string> => {
  const { readlink, realpath } = await import('node:fs/promises');
  const link = await readlink(path).catch(() => undefined);
  return link === undefined ? path : followLinks(resolve(await realpath(dirname(path)), link));
};

/** Writes and closes a new file. Only its owner may read it, because rules may contain personal data. */
const writePrivateFile = async (path: string, text: string): Promise<void> => {
  const { open } = await import('node:fs/promises');
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Creates a folder and its parents. The option `recursive` of `mkdir` never ends in /proc, and keeps a core busy. */
const createFolder = async (path: string): Promise<void> => {
  const { mkdir, stat } = await import('node:fs/promises');
  const exists = (): Promise<boolean> =>
    stat(path).then(
      stats => stats.isDirectory(),
      () => false,
    );
  if (await exists()) return;
  if (dirname(path) !== path) await createFolder(dirname(path));
  await mkdir(path).catch(async (error: unknown) => {
    // Another process may have created it.
    if (!(await exists())) throw error;
  });
};

/** Replaces a file in one step, so readers see either the previous or the new one. */
const replaceFile = async (path: string, text: string): Promise<void> => {
  const { rename, rm } = await import('node:fs/promises');
  // Process ids are not unique: containers share disks, and threads share a process.
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await writePrivateFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
};

/** Writes a flag set to a JSON file, and creates its folder if necessary. Rejects with a message that names the file. */
export const writeFlagFile = async (path: string, flagSet: RawFlagSet): Promise<void> => {
  try {
    await requireRegularFile(path);
    const target = await followLinks(path);
    await createFolder(dirname(target));
    await replaceFile(target, JSON.stringify(flagSet));
  } catch (error) {
    throw new Error(`${path} could not be written: ${messageOf(error)}`, { cause: error });
  }
};

/** Returns a hash that distinguishes keys. A key has too many bits to be found from it. */
export const hashOfKey = async (key: string): Promise<string> => {
  const { createHash } = await import('node:crypto');
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
};
