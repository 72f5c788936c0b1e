import { z } from 'zod';

import { didYouMean, type Synonyms } from './suggest.ts';

/** Fields by the names that they have elsewhere, normalized. A message suggests those that the schema has. */
const FIELD_SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  default: ['defaultVariant'],
  defaultvalue: ['defaultVariant', 'codeDefault'],
  fallthrough: ['defaultVariant'],
  offvariation: ['defaultVariant'],
  variations: ['variants'],
  variation: ['variant'],
  serve: ['variant'],
  percent: ['percentage'],
  rollout: ['percentage'],
  weights: ['split'],
  distribution: ['split'],
  property: ['attribute'],
  field: ['attribute'],
  on: ['enabled'],
  active: ['enabled'],
  state: ['enabled'],
  salt: ['seed'],
  stickiness: ['bucketBy'],
  targeting: ['rules'],
  strategies: ['rules'],
  rules: ['conditions'],
  constraints: ['conditions'],
  key: ['flagKey', 'id'],
  flag: ['flagKey'],
  name: ['key'],
  flags: ['flagKeys'],
  keys: ['flagKeys'],
  user: ['context'],
  attributes: ['context'],
  target: ['to'],
  origins: ['allowedOrigins'],
  expires: ['expiresAt'],
  expiry: ['expiresAt'],
  force: ['overwrite'],
};

/** Fields of a rule that are often written beside the rules. */
const RULE_FIELDS: ReadonlyMap<string, string> = new Map([
  ['percentage', 'percentage'],
  ['rollout', 'percentage'],
  ['percent', 'percentage'],
  ['variant', 'variant'],
  ['split', 'split'],
  ['weights', 'split'],
  ['conditions', 'conditions'],
  ['attribute', 'attribute'],
  ['operator', 'operator'],
  ['value', 'value'],
  ['bucketBy', 'bucketBy'],
]);

const synonymsFor = (allowed: readonly string[]): Synonyms =>
  Object.fromEntries(
    Object.entries(FIELD_SYNONYMS).flatMap(([name, targets]) => {
      const present = targets.filter(each => allowed.includes(each));
      return present.length === 0 ? [] : [[name, present.map(each => `"${each}"`).join(' or ')]];
    }),
  );

const suggestionFor = (name: string, allowed: readonly string[]): string => {
  const inRule = allowed.includes('rules') ? RULE_FIELDS.get(name) : undefined;
  if (inRule !== undefined) return `; it belongs in a rule: "rules": [{"${inRule}": …}]`;
  const suggestion = didYouMean(name, allowed, synonymsFor(allowed));
  if (suggestion !== '' || !allowed.includes('context') || /^default/i.test(name))
    return suggestion;
  return '; attributes of the subject belong in "context"';
};

const quoted = (names: readonly string[]): string => names.map(name => `"${name}"`).join(', ');

/** The length in UTF-16 units to which a message shortens names of the input. */
const REPEATED_LENGTH = 50;
/** Returns a name of the input, shortened if it is too long for a message. */
export const shortened = (name: string): string =>
  name.length > REPEATED_LENGTH ? `${name.slice(0, REPEATED_LENGTH)}…` : name;

const UNKNOWN = 'is an unknown field';

/** Returns the message for unknown fields. `allowed` is empty for schemas that cannot list their fields. */
export const unknownField = (allowed: readonly string[]): string =>
  allowed.length > 0
    ? `${UNKNOWN}; the fields here are ${quoted(allowed)}`
    : `${UNKNOWN}; leave it out`;

/** Adds the field that was probably meant to a message of `unknownField`, which lists the known ones. */
export const withSuggestion = (name: string, message: string): string => {
  const allowed = [...message.matchAll(/"([^"]+)"/g)].flatMap(([, field]) => field ?? []);
  const suggestion = suggestionFor(name, allowed);
  if (suggestion === '') return message;
  const list = message.slice(`${UNKNOWN}; `.length);
  return suggestion.endsWith('?')
    ? `${UNKNOWN}${suggestion} ${list.charAt(0).toUpperCase()}${list.slice(1)}`
    : `${UNKNOWN}${suggestion}; ${list}`;
};

/** Returns a strict object schema. If a field is unknown, its message lists the known fields. */
export const strictObject = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject
        ? unknownField(Object.keys(issue.inst.shape))
        : undefined,
  });
