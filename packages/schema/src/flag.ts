import { z } from 'zod';

import { listFewProblems, refuseEarly } from './early.ts';
import { isJsonObject, Scalar, Value } from './json.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Rule, RuleInput, Seed } from './rule.ts';
import { oneOf } from './suggest.ts';
import {
  distinct,
  expected,
  fits,
  hasLength,
  Instant,
  Key,
  line,
  lines,
  Name,
  NameInput,
  text,
} from './text.ts';

/** The type of all variants of a flag. `object` is a JSON object, not a list or null. */
export const FlagType = oneOf(['boolean', 'string', 'number', 'object'], {
  json: 'object',
  text: 'string',
  int: 'number',
  integer: 'number',
  float: 'number',
}).meta({ id: 'FlagType' });
export type FlagType = z.infer<typeof FlagType>;

/** Returns the schema, which refuses an object with too many names before it looks at any of them. */
const atMost = <Schema extends z.ZodType>(limit: number, what: string, schema: Schema): Schema =>
  refuseEarly(schema, input =>
    isJsonObject(input) && Object.keys(input).length > limit
      ? `must have at most ${limit} ${what}`
      : undefined,
  );

const variantsMessage = 'must be an object of variants such as {"on": true, "off": false}';
const variantsBy = (name: typeof Name) =>
  atMost(
    LIMITS.variants,
    'variants',
    z
      .record(name, Value, {
        error: ({ code, input }) =>
          code === 'invalid_type' ? expected(variantsMessage, input) : undefined,
      })
      .refine(all => Object.keys(all).length >= 1, 'must have at least one variant')
      .meta({ minProperties: 1, maxProperties: LIMITS.variants }),
  );
const variants = variantsBy(NameInput);
const metadataValue = Scalar.refine(
  value => typeof value !== 'string' || hasLength(value, 0, LIMITS.textLength),
  `must be at most ${LIMITS.textLength} characters`,
).meta({ maxLength: LIMITS.textLength });
const metadataBy = (name: typeof Name) =>
  atMost(
    LIMITS.metadataEntries,
    'entries',
    z.record(name, metadataValue).meta({ maxProperties: LIMITS.metadataEntries }),
  );
const metadata = metadataBy(NameInput);
const rules = <Item extends z.ZodType>(item: Item) =>
  listFewProblems(z.array(item).max(LIMITS.rules, `must have at most ${LIMITS.rules} rules`));
const tagsOf = (tag: typeof Name) =>
  z.array(tag).max(LIMITS.tags, `must have at most ${LIMITS.tags} tags`);
const tags = tagsOf(NameInput).refine(...distinct('tag'));

const DefaultVariant = text(1, LIMITS.nameLength, 'the name of a variant, or null');

/** Fields that an engine reads to evaluate a flag. */
const evaluatedFields = {
  key: Key,
  type: FlagType,
  enabled: z.boolean(),
  variants: variantsBy(Name),
  defaultVariant: DefaultVariant.nullable(),
  rules: rules(Rule),
  seed: Seed,
  clientVisible: z.boolean(),
};

/** Fields that no engine reads. They are not part of the flag sets that the server sends. */
export const descriptiveFields = {
  name: text(0, LIMITS.titleLength).nullish(),
  description: text(0, LIMITS.textLength).nullish(),
  tags: tagsOf(Name).nullish(),
  owner: text(0, LIMITS.titleLength).nullish(),
};

/** The same fields in a request. */
export const descriptiveInputs = {
  name: line(0, LIMITS.titleLength).nullish(),
  description: lines(0, LIMITS.textLength).nullish(),
  tags: tags.nullish(),
  owner: line(0, LIMITS.titleLength).nullish(),
} satisfies Record<keyof typeof descriptiveFields, z.ZodType>;

/** Which numbers a number flag has, for languages that distinguish them. */
export const NumberType = oneOf(['integer', 'float'], {
  int: 'integer',
  double: 'float',
  number: 'float',
}).meta({ id: 'NumberType' });
export type NumberType = z.infer<typeof NumberType>;

/**
 * Fields that tools read which generate code: the default value that applications pass, and the type of numbers.
 * No engine reads them, so no evaluation depends on them.
 */
const codeFields = { codeDefault: Value.nullish(), numberType: NumberType.nullish() };

const version = z.int().min(1);

/** Fields that only the server writes. */
export const serverManagedFields = { version, createdAt: Instant, updatedAt: Instant };

/** Server-managed fields in a request: ignored, so clients can send back a flag as they read it. */
export const readOnlyFields = {
  version: z.int().nullish().meta({ readOnly: true }),
  createdAt: Instant.nullish().meta({ readOnly: true }),
  updatedAt: Instant.nullish().meta({ readOnly: true }),
};

/**
 * A flag in its full form, as managed and stored; at most 512 KiB. The schema checks shape and
 * limits. The engine checks constraints between fields, such as whether a variant exists.
 */
export const Flag = strictObject({
  ...evaluatedFields,
  metadata: metadataBy(Name),
  ...descriptiveFields,
  ...codeFields,
  ...serverManagedFields,
})
  .refine(...fits(LIMITS.flagBytes))
  .meta({ id: 'Flag' });
export type Flag = z.infer<typeof Flag>;

/**
 * Names of features that an engine must support to evaluate the flag or segment. If one is unknown to
 * it, the result is PARSE_ERROR. Format 1 defines no such names, so the server sends none yet.
 */
export const requires = z
  .array(Name)
  .describe('Features that an engine must support to evaluate it. Absent if format 1 is enough.')
  .optional();

/** A flag in a flag set: the fields that an engine needs, without descriptive fields. */
export const EvaluationFlag = strictObject({
  ...evaluatedFields,
  metadata: metadataBy(Name),
  version,
  requires,
}).meta({
  id: 'EvaluationFlag',
});
export type EvaluationFlag = z.infer<typeof EvaluationFlag>;

/** Projects a flag, field by field: a new field stays on the server unless it is added here. */
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

/** What each field is. Written to `docs/evaluation.md`, with the fields in this order. */
export const FLAG_FIELD_DESCRIPTIONS: Readonly<Record<keyof EvaluationFlag, string>> = {
  key: 'the name of the flag',
  type: '`boolean`, `string`, `number` or `object` (a JSON object, not a list and not null)',
  enabled: 'whether the flag is evaluated at all; required',
  variants: "values by variant name, all of the flag's type; at least one",
  defaultVariant:
    "the variant to serve if no rule serves one; null means the caller's own default value",
  rules: 'an ordered list of rules',
  seed: "the text that is hashed with the bucketing value, 1 to 256 characters; default: the flag's key",
  clientVisible: 'whether client keys can evaluate the flag; default: false',
  metadata: 'strings, numbers and booleans by name, returned with each evaluation',
  version: 'counts the writes of the flag; set by the server',
  requires: 'names of features that an engine must support to evaluate the flag; set by the server',
};

/** Field names of a flag by purpose. Written to `packages/spec/fields.json` for all languages. */
export const FLAG_FIELDS = {
  evaluated: [...Object.keys(evaluatedFields), 'requires'],
  sent: Object.keys(EvaluationFlag.shape),
  descriptive: Object.keys({ ...descriptiveFields, ...codeFields }),
  serverManaged: Object.keys(serverManagedFields),
};

/** The fields of a request that changes a flag: TypeScript rejects a request without one of them. */
type RequestFields = Record<keyof typeof evaluatedFields | 'metadata', z.ZodType>;

/** The body of a request that creates a flag. The server fills in absent fields. */
export const FlagCreate = strictObject({
  key: Key,
  type: FlagType.nullish(),
  enabled: z.boolean(),
  variants: variants.nullish(),
  defaultVariant: DefaultVariant.nullish(),
  rules: rules(RuleInput).nullish(),
  seed: Seed.nullish(),
  clientVisible: z.boolean().nullish(),
  metadata: metadata.nullish(),
  ...descriptiveInputs,
  ...codeFields,
  ...readOnlyFields,
} satisfies RequestFields).refine(...fits(LIMITS.flagBytes));
export type FlagCreate = z.infer<typeof FlagCreate>;

/** The body of a request that replaces the flag with this key. */
export const FlagReplace = FlagCreate;
export type FlagReplace = z.infer<typeof FlagReplace>;

/** A merge patch of a flag: absent fields stay unchanged, null removes a value. */
export const FlagPatch = strictObject({
  key: Key,
  type: FlagType.optional(),
  enabled: z.boolean().optional(),
  variants: variants.optional(),
  defaultVariant: DefaultVariant.nullish(),
  rules: rules(RuleInput).nullish(),
  seed: Seed.nullish(),
  clientVisible: z.boolean().nullish(),
  metadata: metadata.nullish(),
  ...descriptiveInputs,
  ...codeFields,
} satisfies RequestFields).refine(...fits(LIMITS.flagBytes));
export type FlagPatch = z.infer<typeof FlagPatch>;
