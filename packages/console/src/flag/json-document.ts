import { t } from '../i18n/i18n.ts';
import { FIELDS, type Field } from './changes.ts';
import type { JsonProblem } from '../json/json-input.tsx';
import { newId, parseJson, type FlagDocument } from './document.ts';

const INDENTATION = 2;

/** Returns the fields of a flag that can be edited, as JSON. */
export const formatDocument = (document: FlagDocument): string =>
  JSON.stringify(
    Object.fromEntries(FIELDS.map(field => [field, document[field]])),
    null,
    INDENTATION,
  );

export type ParsedDocument =
  { readonly document: FlagDocument } | { readonly problems: readonly JsonProblem[] };

/**
 * Returns the flag with the fields that a text has as JSON, or why that is not possible. Only the shape is checked, which
 * all parts of the page depend on. The server checks the rest of a draft.
 */
export const parseDocument = (text: string, base: FlagDocument): ParsedDocument => {
  const value = parseJson(text);
  if (!isObject(value)) return { problems: [{ message: t('json.invalid') }] };
  const unknown = Object.keys(value).filter(name => !FIELDS.some(field => field === name));
  if (unknown.length > 0) return { problems: problemsAt(unknown, 'json.unknown') };
  const fields = Object.fromEntries(FIELDS.map(field => [field, value[field]]));
  const document = { ...base, ...fields, rules: withIds(value['rules']) };
  if (isDocument(document)) return { document };
  return { problems: problemsAt(misshapen(document), 'json.shape') };
};

const MAX_PROBLEMS = 10;

const problemsAt = (
  names: readonly string[],
  message: 'json.unknown' | 'json.shape',
): readonly JsonProblem[] =>
  names.slice(0, MAX_PROBLEMS).map(name => ({ path: name, message: t(message, { name }) }));

/** A rule that was written by hand has an id once it is part of the draft. */
const withIds = (rules: unknown): unknown =>
  isList(rules)
    ? rules.map(rule => (isObject(rule) ? { id: newId(), conditions: [], ...rule } : rule))
    : rules;

type JsonObject = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isText: Check = value => typeof value === 'string';
const isNumber: Check = value => typeof value === 'number';
const isBoolean: Check = value => typeof value === 'boolean';

const optional =
  (check: Check): Check =>
  value =>
    value === undefined || value === null || check(value);

const listOf =
  (check: Check): Check =>
  value =>
    isList(value) && value.every(check);

/** What each kind of condition has under its name. */
const KINDS: Readonly<Record<string, Check>> = {
  attribute: isText,
  segment: isText,
  flag: isText,
  any: value => areConditions(value),
  all: value => areConditions(value),
};

const isCondition: Check = condition => {
  if (!isObject(condition)) return false;
  const [kind, ...others] = Object.keys(KINDS).filter(name => Object.hasOwn(condition, name));
  if (kind === undefined || others.length > 0) return false;
  if (kind === 'attribute' && !isText(condition['operator'])) return false;
  if (kind === 'flag' && !listOf(isText)(condition['variants'])) return false;
  return KINDS[kind]?.(condition[kind]) === true;
};

const areConditions = listOf(isCondition);

const isSplitEntry: Check = entry =>
  isObject(entry) && isText(entry['variant']) && isNumber(entry['weight']);

const isRule: Check = rule =>
  isObject(rule) &&
  isText(rule['id']) &&
  areConditions(rule['conditions']) &&
  optional(isText)(rule['variant']) &&
  optional(listOf(isSplitEntry))(rule['split']) &&
  optional(isNumber)(rule['percentage']) &&
  optional(isText)(rule['bucketBy']) &&
  optional(isText)(rule['seed']);

const SHAPES: Readonly<Record<Field, Check>> = {
  enabled: isBoolean,
  rules: listOf(isRule),
  variants: isObject,
  defaultVariant: value => value === null || isText(value),
  seed: isText,
  clientVisible: isBoolean,
  metadata: isObject,
  name: optional(isText),
  description: optional(isText),
  tags: optional(listOf(isText)),
  owner: optional(isText),
  codeDefault: () => true,
  numberType: optional(isText),
};

const misshapen = (document: JsonObject): readonly Field[] =>
  FIELDS.filter(field => !SHAPES[field](document[field]));

const isDocument = (document: JsonObject): document is FlagDocument =>
  misshapen(document).length === 0;
