import { z } from 'zod';

import { AttributeCondition, Conditions, OPERATORS } from './condition.ts';
import { Scalar, Value } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './object.ts';
import { hasLength, Instant, Key, Name, text } from './text.ts';

export const FlagType = z.enum(['boolean', 'string', 'number', 'object']).meta({ id: 'FlagType' });
export type FlagType = z.infer<typeof FlagType>;

export const SplitEntry = strictObject({
  variant: Name,
  weight: z.int('must be a whole number').min(0, 'must not be negative').max(100_000),
});

const percentage = z
  .number()
  .min(0, 'must be 0 to 100')
  .max(100, 'must be 0 to 100')
  .describe('How much of the traffic the rule admits, 0 to 100 in steps of 0.001.');
const bucketBy = text(1, LIMITS.attributeLength).describe('Attribute whose value is hashed.');
const seed = text(1, LIMITS.seedLength).describe('Text mixed into the hash.');

/** What a rule consists of, whole: what is stored, and what a patch must send. */
export const Rule = strictObject({
  id: Name,
  conditions: Conditions,
  variant: Name.nullish(),
  split: z.array(SplitEntry).min(1).max(LIMITS.variants).nullish(),
  percentage: percentage.nullish(),
  bucketBy: bucketBy.nullish(),
  seed: seed.nullish(),
}).meta({ id: 'Rule' });
export type Rule = z.infer<typeof Rule>;

const everyOperator = Object.values(OPERATORS).flat() as [string, ...string[]];

/** A rule as people may write it on creation: parts left out, or one condition in short. */
export const RuleInput = strictObject({
  ...Rule.shape,
  id: Rule.shape.id.nullish(),
  conditions: Conditions.nullish(),
  attribute: AttributeCondition.options[0].shape.attribute.nullish(),
  operator: z.enum(everyOperator).nullish(),
  value: z.json().nullish(),
}).meta({ id: 'RuleInput' });
export type RuleInput = z.infer<typeof RuleInput>;

const variants = z
  .record(Name, Value)
  .refine(all => Object.keys(all).length >= 1, 'must have at least one variant')
  .refine(
    all => Object.keys(all).length <= LIMITS.variants,
    `must have at most ${LIMITS.variants} variants`,
  );
const MetadataValue = Scalar.refine(
  value => typeof value !== 'string' || hasLength(value, 0, LIMITS.textLength),
  `must be at most ${LIMITS.textLength} characters`,
).meta({ maxLength: LIMITS.textLength });
const metadata = z
  .record(Name, MetadataValue)
  .refine(
    all => Object.keys(all).length <= LIMITS.metadataEntries,
    `must have at most ${LIMITS.metadataEntries} entries`,
  );
const rules = <Item extends z.ZodType>(item: Item) =>
  z.array(item).max(LIMITS.rules, `must have at most ${LIMITS.rules} rules`);

/** What only people read; an evaluation never looks at it. */
export const describedByPeople = {
  name: text(0, LIMITS.nameLength * 2).nullish(),
  description: text(0, LIMITS.textLength).nullish(),
  tags: z.array(text(1, LIMITS.nameLength)).max(LIMITS.tags).nullish(),
  owner: text(0, LIMITS.nameLength * 2).nullish(),
};

/** Kept by the server. Accepted, and ignored, where a flag that was read is written back whole. */
export const keptByServer = {
  version: z.int().min(1),
  createdAt: Instant,
  updatedAt: Instant,
};
export const writtenBack = {
  version: z.int().nullish().meta({ readOnly: true }),
  createdAt: Instant.nullish().meta({ readOnly: true }),
  updatedAt: Instant.nullish().meta({ readOnly: true }),
};

/** A flag as it is stored and travels: the full form. */
export const Flag = strictObject({
  key: Key,
  type: FlagType,
  enabled: z.boolean(),
  variants,
  defaultVariant: Name.nullable(),
  rules: rules(Rule),
  seed,
  clientVisible: z.boolean(),
  metadata,
  ...describedByPeople,
  ...keptByServer,
}).meta({ id: 'Flag' });
export type Flag = z.infer<typeof Flag>;

const replaceable = {
  type: FlagType.nullish(),
  enabled: z.boolean(),
  variants: variants.nullish(),
  defaultVariant: Name.nullish(),
  rules: rules(RuleInput).nullish(),
  seed: seed.nullish(),
  clientVisible: z.boolean().nullish(),
  metadata: metadata.nullish(),
  ...describedByPeople,
  ...writtenBack,
};

/** A flag as people write it on creation; the short form is filled in once. */
export const FlagCreate = strictObject({ key: Key, ...replaceable });
export type FlagCreate = z.infer<typeof FlagCreate>;

/** A flag's replacement: as on creation, and the key comes from the path. */
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
  seed: seed.nullish(),
  clientVisible: z.boolean().nullish(),
  metadata: metadata.nullish(),
  ...describedByPeople,
});
export type FlagPatch = z.infer<typeof FlagPatch>;
