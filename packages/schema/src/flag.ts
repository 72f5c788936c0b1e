import { z } from 'zod';

import { Scalar, Value } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Rule, RuleInput, Seed } from './rule.ts';
import { fits, hasLength, Instant, Key, Name, text } from './text.ts';

/** The type that all variants of a flag have; `object` is a JSON object, not a list or null. */
export const FlagType = z.enum(['boolean', 'string', 'number', 'object']).meta({ id: 'FlagType' });
export type FlagType = z.infer<typeof FlagType>;

const atMost = (limit: number) => (entries: object) => Object.keys(entries).length <= limit;

const variants = z
  .record(Name, Value)
  .refine(all => Object.keys(all).length >= 1, 'must have at least one variant')
  .refine(atMost(LIMITS.variants), `must have at most ${LIMITS.variants} variants`)
  .meta({ minProperties: 1, maxProperties: LIMITS.variants });
const metadataValue = Scalar.refine(
  value => typeof value !== 'string' || hasLength(value, 0, LIMITS.textLength),
  `must be at most ${LIMITS.textLength} characters`,
).meta({ maxLength: LIMITS.textLength });
const metadata = z
  .record(Name, metadataValue)
  .refine(atMost(LIMITS.metadataEntries), `must have at most ${LIMITS.metadataEntries} entries`)
  .meta({ maxProperties: LIMITS.metadataEntries });
const rules = <Item extends z.ZodType>(item: Item) =>
  z.array(item).max(LIMITS.rules, `must have at most ${LIMITS.rules} rules`);
const tags = z
  .array(text(1, LIMITS.nameLength))
  .max(LIMITS.tags, `must have at most ${LIMITS.tags} tags`);

/** Fields that an engine decides by. */
const decidingFields = {
  key: Key,
  type: FlagType,
  enabled: z.boolean(),
  variants,
  defaultVariant: Name.nullable(),
  rules: rules(Rule),
  seed: Seed,
  clientVisible: z.boolean(),
};

/** Fields that only people read. They never leave the server in a flag set. */
export const descriptiveFields = {
  name: text(0, LIMITS.titleLength).nullish(),
  description: text(0, LIMITS.textLength).nullish(),
  tags: tags.nullish(),
  owner: text(0, LIMITS.titleLength).nullish(),
};

const version = z.int().min(1);

/** Fields that the server writes. */
export const serverManagedFields = { version, createdAt: Instant, updatedAt: Instant };

/** The server-managed fields on input: accepted and ignored, so a flag that was read can be sent back whole. */
export const readOnlyFields = {
  version: z.int().nullish().meta({ readOnly: true }),
  createdAt: Instant.nullish().meta({ readOnly: true }),
  updatedAt: Instant.nullish().meta({ readOnly: true }),
};

/**
 * A flag as it is managed and stored: the full form, at most 512 KiB. The schema checks the shape and
 * the limits; rules that span several fields are checked when the flag is compiled.
 */
export const Flag = strictObject({
  ...decidingFields,
  metadata,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .refine(...fits(LIMITS.flagBytes))
  .meta({ id: 'Flag' });
export type Flag = z.infer<typeof Flag>;

/**
 * Names of features that an engine must support to decide the flag or segment; an engine that does not
 * know one of them reports PARSE_ERROR. Format 1 has no such names, so the server sends none yet.
 */
export const requires = z
  .array(Name)
  .describe('Features that an engine must support to decide it. Absent if format 1 is enough.')
  .optional();

/** A flag as it travels in a flag set: what an engine needs, and nothing that only people read. */
export const EvaluationFlag = strictObject({ ...decidingFields, metadata, version, requires }).meta(
  {
    id: 'EvaluationFlag',
  },
);
export type EvaluationFlag = z.infer<typeof EvaluationFlag>;

/** Returns the part of a flag that travels. Field by field, so that a new field stays on the server by default. */
export const toEvaluationFlag = (flag: Flag): EvaluationFlag =>
  ({
    key: flag.key,
    type: flag.type,
    enabled: flag.enabled,
    variants: flag.variants,
    defaultVariant: flag.defaultVariant,
    rules: flag.rules,
    seed: flag.seed,
    clientVisible: flag.clientVisible,
    metadata: flag.metadata,
    version: flag.version,
  }) satisfies Record<Exclude<keyof EvaluationFlag, 'requires'>, unknown>;

/** Names of the fields of a flag by their purpose. Generated into the contract for all languages. */
export const FLAG_FIELDS = {
  deciding: [...Object.keys(decidingFields), 'requires'],
  travelling: Object.keys(EvaluationFlag.shape),
  descriptive: Object.keys(descriptiveFields),
  serverManaged: Object.keys(serverManagedFields),
};
export type DescriptiveField = keyof typeof descriptiveFields;

/** A flag as people write it on creation; the short form is filled in once. */
export const FlagCreate = strictObject({
  key: Key,
  type: FlagType.nullish(),
  enabled: z.boolean(),
  variants: variants.nullish(),
  defaultVariant: Name.nullish(),
  rules: rules(RuleInput).nullish(),
  seed: Seed.nullish(),
  clientVisible: z.boolean().nullish(),
  metadata: metadata.nullish(),
  ...descriptiveFields,
  ...readOnlyFields,
}).refine(...fits(LIMITS.flagBytes));
export type FlagCreate = z.infer<typeof FlagCreate>;

/** A flag's replacement: as on creation, and the key says which. */
export const FlagReplace = FlagCreate;
export type FlagReplace = z.infer<typeof FlagReplace>;

/** Part of a flag: what is absent is kept, null clears. Nothing is filled in. */
export const FlagPatch = strictObject({
  key: Key,
  type: FlagType.optional(),
  enabled: z.boolean().optional(),
  variants: variants.optional(),
  defaultVariant: Name.nullish(),
  rules: rules(Rule).nullish(),
  seed: Seed.nullish(),
  clientVisible: z.boolean().nullish(),
  metadata: metadata.nullish(),
  ...descriptiveFields,
}).refine(...fits(LIMITS.flagBytes));
export type FlagPatch = z.infer<typeof FlagPatch>;
