import {
  ALL_ENVIRONMENTS,
  describeIssues,
  Export,
  ExportedEnvironment,
  ExportedKey,
  Flag,
  FORMAT_VERSION,
  jsonBytes,
  type JsonObject,
  Key,
  LIMITS,
  Segment,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { invalid, PennonError } from '../errors.ts';
import { decodeText, parseExactJson } from '../parse-json.ts';
import { requirePlainJson } from '../plain-json.ts';
import { isFlagdFile } from '../flagd/import-file.ts';
import { IMPORT_BOUNDS, requireAtMost, requireWithinBounds } from './bounds.ts';
import { checkFlagdFile } from './check-flagd.ts';
import { createProblems, type Problems } from './problems.ts';
import { findInvalidEnvironments, findInvalidKeys } from './validate-export.ts';

/** Levels of nesting that a flag has in an import beyond those in a request of its own. */
export const EXTRA_DEPTH = 4;

/** The body of an import, as it was received. */
export type Upload = {
  /** Its bytes in order. Nothing else may use their memory, because it is handed over to a thread. */
  readonly blocks: readonly Uint8Array<ArrayBuffer>[];
  /** A document alone, as over REST, or as the input of a call over tRPC, alone or as the first of a batch. */
  readonly form: 'document' | 'call' | 'batch';
};

/** Who imports, and what a file of flagd does not have itself. */
export type CheckScope = {
  /** The environments of the caller, or `*`. */
  readonly reach: readonly string[];
  /** The environment that receives the flags of a file of flagd, if the request names one. */
  readonly environment: string | undefined;
  /** When the flags of a file of flagd are created. */
  readonly now: string;
};

export type ImportOptions = {
  /** Only return what would change. */
  readonly dryRun?: boolean | undefined;
  /** Replace environments and keys that exist and differ. Without it they make the import fail. */
  readonly overwrite?: boolean | undefined;
  /** The environment that receives the flags of a file of flagd. An export names its environments. */
  readonly environment?: string | undefined;
};

export type CheckedImport = {
  readonly document: Export;
  readonly options: ImportOptions;
  /** Whether it is from a file of flagd, which lacks what the server manages. */
  readonly isFlagd: boolean;
};

const optionFields = {
  dryRun: z.boolean().optional(),
  overwrite: z.boolean().optional(),
  environment: Key.optional(),
};
const Options = z.object(optionFields);

/** An import whose environments and keys are not checked yet. */
const Envelope = strictObject({
  formatVersion: Export.shape.formatVersion,
  environments: z.array(z.unknown()),
  keys: z.array(z.unknown()).optional(),
  ...optionFields,
});

/** An environment whose flags and segments are not checked yet. */
const EnvironmentEnvelope = strictObject({
  ...ExportedEnvironment.shape,
  flags: z.array(z.unknown()),
  segments: z.array(z.unknown()),
});

/**
 * Parses and checks an import by itself, without the data of the server. Throws at the first bound; problems of the
 * content are counted.
 */
export const checkImport = (upload: Upload, scope: CheckScope): CheckedImport => {
  const input = readInput(upload);
  return isFlagdFile(input) ? checkFlagd(input, scope) : checkExport(input, scope);
};

const checkFlagd = (input: JsonObject, { reach, environment, now }: CheckScope): CheckedImport => {
  requirePlainJson(input, IMPORT_BOUNDS.depth - LIMITS.jsonDepth);
  const options = parse(Options, input);
  const key = requireEnvironment(options.environment ?? environment ?? environmentWithin(reach));
  requireReach(reach, [{ key }]);
  return {
    document: {
      formatVersion: FORMAT_VERSION,
      environments: [{ key, createdAt: now, ...checkFlagdFile(input, now) }],
    },
    options,
    isFlagd: true,
  };
};

const environmentWithin = ([only, ...others]: readonly string[]): string | undefined =>
  only === ALL_ENVIRONMENTS || others.length > 0 ? undefined : only;

const requireEnvironment = (environment: string | undefined): string => {
  if (environment !== undefined) return environment;
  const message = 'is missing: name the environment that receives the flags (?environment=…)';
  throw invalid([{ path: 'environment', message }], 'the query');
};

const checkExport = (input: unknown, { reach }: CheckScope): CheckedImport => {
  const { formatVersion, environments, keys, ...options } = readEnvelope(input, reach);
  const problems = createProblems();
  const document: Export = {
    formatVersion,
    environments: checkEnvironments(environments, problems),
    ...(keys === undefined
      ? {}
      : {
          keys: keys.flatMap((key, i) =>
            checkItem(ExportedKey, key, { path: `keys.${i}`, problems }),
          ),
        }),
  };
  problems.requireNone();
  findInvalidKeys(document.keys ?? [], problems);
  findInvalidEnvironments(document.environments, problems);
  problems.requireNone();
  return { document, options, isFlagd: false };
};

const readInput = ({ blocks, form }: Upload): unknown =>
  inputOf(parseExactJson(readText(blocks), form === 'batch' ? 1 : 0), form);

/** Returns the text of an upload, and frees the memory of its bytes, because what is parsed takes more. */
const readText = (blocks: Upload['blocks']): string => {
  const bytes = takeBytes(blocks);
  requireWithinBounds(bytes);
  const text = decodeText(bytes);
  free(bytes);
  return text;
};

/** Joins blocks, and frees each one once it is copied. */
const takeBytes = (blocks: Upload['blocks']): Uint8Array<ArrayBuffer> => {
  const [only] = blocks;
  if (blocks.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(uploadBytes(blocks));
  let at = 0;
  for (const block of blocks) {
    bytes.set(block, at);
    at += block.length;
    free(block);
  }
  return bytes;
};

const free = ({ buffer }: Uint8Array<ArrayBuffer>): void => void buffer.transfer(0);

export const uploadBytes = (blocks: Upload['blocks']): number =>
  blocks.reduce((sum, { length }) => sum + length, 0);

/** Parses an export. Its environments and keys are unchecked. */
const readEnvelope = (input: unknown, reach: readonly string[]) => {
  const envelope = parse(Envelope, input);
  requireAtMost('environments', envelope.environments.length);
  requireAtMost('keys', envelope.keys?.length ?? 0);
  requireReach(reach, envelope.environments, envelope.keys);
  requirePlainJson(input, EXTRA_DEPTH);
  return envelope;
};

const Batch = z.looseObject({ '0': z.unknown() });

const inputOf = (value: unknown, form: Upload['form']): unknown => {
  if (form === 'batch') return Batch.safeParse(value).data?.['0'];
  if (form === 'document') requireDocument(value);
  return value;
};

const requireDocument = (value: unknown): void => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notAnObject(value);
  for (const name of Object.keys(optionFields))
    if (Object.hasOwn(value, name))
      throw invalid([
        { path: name, message: `belongs in the query (?${name}=…), not in the body` },
      ]);
};

const notAnObject = (value: unknown): PennonError => {
  const expectation = 'must be a JSON object with "formatVersion", "environments"';
  const message = value === undefined ? `is missing: it ${expectation}` : expectation;
  return new PennonError('BAD_REQUEST', `the body ${message}`, {
    details: [{ path: '', message }],
  });
};

const parse = <Output>(schema: z.ZodType<Output>, value: unknown): Output => {
  const { success, data, error } = schema.safeParse(value);
  if (!success) throw invalid(describeIssues(error));
  return data;
};

const WithKey = z.looseObject({ key: z.string() });

/** Throws FORBIDDEN if a key of one environment would import keys or other environments. */
const requireReach = (
  reach: readonly string[],
  environments: readonly unknown[],
  keys: readonly unknown[] = [],
): void => {
  if (reach.includes(ALL_ENVIRONMENTS)) return;
  if (keys.length > 0)
    throw new PennonError(
      'FORBIDDEN',
      `importing keys requires a key for all environments ("${ALL_ENVIRONMENTS}")`,
    );
  const isOther = (each: unknown) => !reach.includes(WithKey.safeParse(each).data?.key ?? '');
  if (environments.some(isOther))
    throw new PennonError('FORBIDDEN', `this key is for environment "${reach.join('", "')}" only`);
};

/** Maps like `Array.flatMap`, and forgets each item, because the checked copy takes its place in memory. */
const takeAll = <Result>(
  items: unknown[],
  check: (item: unknown, index: number) => Result[],
): Result[] =>
  items.flatMap((item, index) => {
    items[index] = undefined;
    return check(item, index);
  });

const checkEnvironments = (environments: unknown[], problems: Problems): ExportedEnvironment[] =>
  takeAll(environments, (item, i) => {
    const path = `environments.${i}`;
    return checkItem(EnvironmentEnvelope, item, { path, problems }).map(environment => ({
      ...environment,
      flags: checkDocuments(Flag, environment.flags, { path: `${path}.flags`, problems }),
      segments: checkDocuments(Segment, environment.segments, {
        path: `${path}.segments`,
        problems,
      }),
    }));
  });

type ItemContext = { readonly path: string; readonly problems: Problems };

/** Returns the valid flags or segments. */
const checkDocuments = <Document>(
  schema: z.ZodType<Document>,
  items: unknown[],
  { path, problems }: ItemContext,
): Document[] => {
  requireAtMost('documents', items.length);
  return takeAll(items, (item, i) => {
    if (problems.areEnough()) return [];
    requireAtMost('documentBytes', jsonBytes(item));
    return checkItem(schema, item, { path: `${path}.${i}`, problems });
  });
};

/** Returns a list with the item if it is valid, otherwise an empty list. */
const checkItem = <Item>(
  schema: z.ZodType<Item>,
  item: unknown,
  { path, problems }: ItemContext,
): Item[] => {
  if (problems.areEnough()) return [];
  const { success, data, error } = schema.safeParse(item);
  if (success) return [data];
  problems.add(path, describeIssues(error));
  return [];
};
