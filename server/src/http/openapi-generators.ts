import { FlagType, isJsonObject, type JsonObject, type JsonValue } from '@pennon/schema';

import { mapObject, objectIn } from './openapi-json.ts';

const pointerTo = (name: string): string => `#/components/schemas/${name}`;

const refTo = (name: string): JsonObject => ({ $ref: pointerTo(name) });

const schemaOfType = (type: string): JsonObject =>
  type === 'object' ? refTo('JsonObject') : { type };

/** Returns a schema that accepts any of the types. */
const unionOf = (types: readonly string[]): JsonObject => ({ oneOf: types.map(schemaOfType) });

/** Components that the unions refer to. */
const VALUES: JsonObject = {
  Scalar: unionOf(['string', 'number', 'boolean']),
  FlagValue: unionOf(FlagType.options),
  JsonObject: { type: 'object', additionalProperties: true },
};

/** Components that become a union with one member for each flag type. */
const BY_FLAG_TYPE: ReadonlySet<string> = new Set(['Flag', 'FlagResponse', 'EvaluationFlag']);

/**
 * Rewrites schemas into equivalent ones that code generators support: unions have a schema for each member,
 * flags a schema for each type, and the constants of an enumeration begin with its name.
 */
export const adaptToGenerators = (document: JsonObject): JsonObject => {
  const simplified = mapObject(document, (_, part) => rewrite(part));
  const components = objectIn(simplified, 'components');
  const schemas = Object.entries(objectIn(components, 'schemas')).flatMap(([name, schema]) =>
    isJsonObject(schema) ? adaptComponent(name, schema) : [],
  );
  return {
    ...simplified,
    components: { ...components, schemas: { ...Object.fromEntries(schemas), ...VALUES } },
  };
};

const adaptComponent = (name: string, schema: JsonObject): [string, JsonObject][] => {
  if (BY_FLAG_TYPE.has(name)) return splitByFlagType(name, schema);
  return [[name, Array.isArray(schema['enum']) ? nameConstants(name, schema) : schema]];
};

/** In Go, a constant `Client` would clash with the type of the client. */
const nameConstants = (name: string, schema: JsonObject): JsonObject => {
  const values = Array.isArray(schema['enum']) ? schema['enum'] : [];
  return { ...schema, 'x-enum-varnames': values.map(value => name + capitalized(String(value))) };
};

const rewrite = (node: JsonValue): JsonValue => {
  if (isJsonObject(node)) return simplify(rewriteFields(node));
  return Array.isArray(node) ? node.map(rewrite) : node;
};

const rewriteFields = (node: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(node).map(([name, value]) => [name, rewrite(value)]));

const isString = (value: unknown): value is string => typeof value === 'string';

const simplify = (schema: JsonObject): JsonObject => {
  const { type, anyOf, prefixItems } = schema;
  if (Array.isArray(prefixItems)) return simplifyTuple(schema, prefixItems.length);
  if (Array.isArray(type)) return simplifyTypes(schema, type.filter(isString));
  return Array.isArray(anyOf) ? mergeNull(schema, anyOf.filter(isJsonObject)) : schema;
};

/** Generators know no types by position: the description of a tuple names its items in order. */
const simplifyTuple = (
  { prefixItems: _types, items: _rest, ...schema }: JsonObject,
  length: number,
): JsonObject => ({ ...schema, items: {}, minItems: length, maxItems: length });

/** One type, with or without null, stays as it is. */
const simplifyTypes = (schema: JsonObject, all: readonly string[]): JsonObject => {
  const types = all.filter(type => type !== 'null');
  if (types.length === all.length) return splitTypes(schema, types);
  return types.length === 1 ? schema : orNull(splitTypes(schema, types));
};

const orNull = (schema: JsonObject): JsonObject => ({ anyOf: [schema, { type: 'null' }] });

/** A limit on the length applies to strings only. */
const splitTypes = (
  { type: _types, maxLength, ...annotations }: JsonObject,
  types: readonly string[],
): JsonObject => {
  if (maxLength === undefined)
    return { ...annotations, ...refTo(types.includes('object') ? 'FlagValue' : 'Scalar') };
  return {
    ...annotations,
    oneOf: types.map(type => (type === 'string' ? { type, maxLength } : schemaOfType(type))),
  };
};

/** Turns a union of one type and null into one schema with both types, unless its values are listed. */
const mergeNull = (
  schema: JsonObject,
  [first, second, ...others]: readonly JsonObject[],
): JsonObject => {
  if (first === undefined || second?.['type'] !== 'null' || others.length > 0) return schema;
  if (!isString(first['type']) || 'enum' in first || 'const' in first) return schema;
  const { anyOf: _, ...annotations } = schema;
  return { ...annotations, ...first, type: [first['type'], 'null'] };
};

const capitalized = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Returns the union, with the flag type as its discriminator, and a member for each type. */
const splitByFlagType = (name: string, schema: JsonObject): [string, JsonObject][] => {
  const nameFor = (type: FlagType) => capitalized(type) + name;
  const mapping = FlagType.options.map(type => [type, pointerTo(nameFor(type))] as const);
  const union = {
    oneOf: FlagType.options.map(type => refTo(nameFor(type))),
    discriminator: { propertyName: 'type', mapping: Object.fromEntries(mapping) },
  };
  return [
    [name, union],
    ...FlagType.options.map((type): [string, JsonObject] => [
      nameFor(type),
      withFlagType(schema, type),
    ]),
  ];
};

const withFlagType = (schema: JsonObject, type: FlagType): JsonObject => {
  const properties = objectIn(schema, 'properties');
  const variants = objectIn(properties, 'variants');
  return {
    ...schema,
    properties: {
      ...properties,
      type: { type: 'string', enum: [type] },
      variants: { ...variants, additionalProperties: schemaOfType(type) },
      ...('codeDefault' in properties && {
        codeDefault: type === 'object' ? orNull(schemaOfType(type)) : { type: [type, 'null'] },
      }),
    },
  };
};
