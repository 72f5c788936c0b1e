import {
  isJsonObject,
  JsonObjectSchema,
  Scalar,
  Value,
  type Flag,
  type FlagType,
  type JsonObject,
} from '@pennon/schema';
import { z } from 'zod';

import { OWN_METADATA } from './export.ts';
import { expand } from './expand.ts';
import { readConditions } from './import-conditions.ts';
import { rulesOf, type RuleDraft, type Served } from './import-rules.ts';
import { SEGMENT_PREFIX } from './references.ts';
import { Unsupported } from './unsupported.ts';

/** Whether a document is a file of flagd, and not an export. */
export const isFlagdFile = (value: unknown): value is JsonObject =>
  isJsonObject(value) &&
  Object.hasOwn(value, 'flags') &&
  !['formatVersion', 'environments'].some(name => Object.hasOwn(value, name));

const typeOf = (value: Value): FlagType => {
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'string';
  return typeof value === 'number' ? 'number' : 'object';
};

const Metadata = z.record(z.string(), Scalar).nullish();

const FlagdFlag = z.looseObject({
  state: z.enum(['ENABLED', 'DISABLED']),
  variants: z
    .record(z.string(), Value)
    .refine(all => Object.keys(all).length >= 1, 'must have at least one variant')
    .refine(
      all => new Set(Object.values(all).map(typeOf)).size <= 1,
      'must all have values of the same type',
    )
    .refine(
      all => !JSON.stringify(all).includes('{"$ref":"'),
      'must have no member "$ref", which flagd replaces by an evaluator',
    ),
  defaultVariant: z.string().nullish(),
  targeting: JsonObjectSchema.nullish(),
  metadata: Metadata,
});
type FlagdFlag = z.infer<typeof FlagdFlag>;

/** Flags are checked one by one later. */
export const FlagdFile = z.looseObject({
  flags: z.union([JsonObjectSchema, z.array(z.looseObject({ key: z.string() }))], {
    error: 'must be an object of flags by key, or a list of flags with "key"',
  }),
  $evaluators: JsonObjectSchema.nullish(),
  metadata: Metadata,
  omitted: JsonObjectSchema.nullish().refine(
    omitted => Object.keys(omitted ?? {}).length === 0,
    'names flags that the file lacks: remove "omitted" to import the file without them',
  ),
});
export type FlagdFile = z.infer<typeof FlagdFile>;

/** A file with the fields of its flags, for documentation. */
export const FlagdFileBody = FlagdFile.omit({ omitted: true })
  .extend({ flags: z.record(z.string(), FlagdFlag) })
  .meta({
    id: 'FlagdFile',
    description: 'A file of flagd, valid by https://flagd.dev/schema/v0/flags.json.',
  });

/** Returns the flags of a file with their keys. */
export const flagsOf = ({
  flags,
}: FlagdFile): readonly (readonly [key: string, flag: unknown])[] =>
  Array.isArray(flags)
    ? flags.map(({ key, ...flag }) => [key, flag] as const)
    : Object.entries(flags);

/** What the server manages, which a file of flagd does not have. */
type Managed = Pick<Flag, 'version' | 'createdAt' | 'updatedAt'>;

const managedAt = (instant: string): Managed => ({
  version: 1,
  createdAt: instant,
  updatedAt: instant,
});

const targetingRules = (
  { targeting }: FlagdFlag,
  flag: Served,
  { $evaluators }: FlagdFile,
): readonly RuleDraft[] =>
  targeting == null || Object.keys(targeting).length === 0
    ? []
    : rulesOf(expand(targeting, $evaluators ?? {}), flag);

/** flagd adds the metadata of the file to those of each flag, apart from what is about the file itself. */
const metadataOf = (flag: FlagdFlag, file: FlagdFile): Readonly<Record<string, Scalar>> => {
  const { flagSetId: _id, version: _version, ...shared } = file.metadata ?? {};
  const all = Object.entries({ ...shared, ...flag.metadata });
  return Object.fromEntries(all.filter(([name]) => !OWN_METADATA.has(name)));
};

/** Reads one flag, for its schema to check. Throws a ZodError, or `Unsupported` for what Pennon cannot express. */
export const readFlag = (key: string, value: unknown, file: FlagdFile, at: string): object => {
  const parsed = FlagdFlag.parse(value);
  const defaultVariant = parsed.defaultVariant || null;
  const { variants } = parsed;
  return {
    key,
    type: typeOf(Object.values(variants)[0] ?? {}),
    enabled: parsed.state === 'ENABLED',
    variants,
    defaultVariant,
    rules: targetingRules(parsed, { key, variants, defaultVariant }, file),
    seed: key,
    clientVisible: false,
    metadata: metadataOf(parsed, file),
    ...managedAt(at),
  };
};

/** Returns the names of the evaluators that are segments of Pennon. */
export const segmentNamesOf = ({ $evaluators }: FlagdFile): readonly string[] =>
  Object.keys($evaluators ?? {}).filter(name => name.startsWith(SEGMENT_PREFIX));

/** Reads one segment, for its schema to check. Throws `Unsupported` for what Pennon cannot express. */
export const readSegment = (name: string, { $evaluators }: FlagdFile, at: string): object => {
  const evaluators = $evaluators ?? {};
  const conditions = readConditions(expand(evaluators[name] ?? null, evaluators, name));
  if (conditions === undefined || conditions.length === 0)
    throw new Unsupported('always holds, or never, which a segment cannot express');
  return {
    key: name.slice(SEGMENT_PREFIX.length),
    conditions,
    ...managedAt(at),
  };
};
