import { FlagType } from '@pennon/schema';

type JsonSchema = { readonly [keyword: string]: unknown };
type Schemas = Readonly<Record<string, JsonSchema>>;

const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

const schemaOfType = (type: string): JsonSchema =>
  type === 'object' ? refTo('JsonObject') : { type };

/** Returns a schema that accepts any of the types. */
const unionOf = (types: readonly string[]): JsonSchema => ({ oneOf: types.map(schemaOfType) });

/** Components that the unions refer to. */
const VALUES: Schemas = {
  Scalar: unionOf(['string', 'number', 'boolean']),
  FlagValue: unionOf(FlagType.options),
  JsonObject: { type: 'object', additionalProperties: true },
};

/** Names of components that have one schema for each flag type. */
const BY_FLAG_TYPE = ['Flag', 'FlagResponse', 'EvaluationFlag'];

/**
 * Rewrites schemas into equivalent ones that code generators support: unions have one named schema for each
 * member, and the schemas of flags one member for each type. Schemas accept the same values as before.
 */
export const simplifyUnions = <Document extends object>(document: Document): Document => {
  const simplified = rewrite(document) as Document & { components: { schemas: Schemas } };
  const { components } = simplified;
  const schemas = Object.entries(components.schemas).flatMap(([name, schema]) =>
    BY_FLAG_TYPE.includes(name) ? splitByFlagType(name, schema) : [[name, schema] as const],
  );
  return {
    ...simplified,
    components: { ...components, schemas: { ...Object.fromEntries(schemas), ...VALUES } },
  };
};

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Rewrites every schema inside a part of the document. Examples are left as they are. */
const rewrite = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(rewrite);
  if (!isObject(node)) return node;
  return simplify(
    Object.fromEntries(
      Object.entries(node).map(([name, value]) => [
        name,
        name === 'example' || name === 'examples' ? value : rewrite(value),
      ]),
    ),
  );
};

const simplify = (schema: JsonSchema): JsonSchema => {
  const { type, anyOf } = schema;
  if (Array.isArray(type) && !type.includes('null')) return splitTypes(schema, type);
  if (Array.isArray(anyOf)) return mergeNull(schema, anyOf);
  return schema;
};

const splitTypes = ({ type: _, ...others }: JsonSchema, types: readonly string[]): JsonSchema => {
  const { maxLength, ...annotations } = others;
  if (maxLength === undefined)
    return { ...annotations, ...refTo(types.includes('object') ? 'FlagValue' : 'Scalar') };
  return {
    ...annotations,
    oneOf: types.map(type => (type === 'string' ? { type, maxLength } : schemaOfType(type))),
  };
};

/** Turns a union of one type and null into one schema with both types, unless its values are listed. */
const mergeNull = (schema: JsonSchema, members: readonly unknown[]): JsonSchema => {
  const [first, second, ...others] = members.filter(isObject);
  const isMergeable = typeof first?.['type'] === 'string' && !('enum' in first || 'const' in first);
  if (!isMergeable || second?.['type'] !== 'null' || others.length > 0) return schema;
  const { anyOf: _, ...annotations } = schema;
  return { ...annotations, ...first, type: [first['type'], 'null'] };
};

/** Returns the union, with the flag type as its discriminator, and a member for each type. */
const splitByFlagType = (name: string, schema: JsonSchema): [string, JsonSchema][] => {
  const members = FlagType.options.map(type => ({
    type,
    name: `${type[0]?.toUpperCase()}${type.slice(1)}${name}`,
  }));
  const union = {
    oneOf: members.map(member => refTo(member.name)),
    discriminator: {
      propertyName: 'type',
      mapping: Object.fromEntries(
        members.map(member => [member.type, `#/components/schemas/${member.name}`]),
      ),
    },
  };
  return [
    [name, union],
    ...members.map((member): [string, JsonSchema] => [
      member.name,
      ofFlagType(schema, member.type),
    ]),
  ];
};

const ofFlagType = (schema: JsonSchema, type: FlagType): JsonSchema => {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const variants = isObject(properties['variants']) ? properties['variants'] : {};
  return {
    ...schema,
    properties: {
      ...properties,
      type: { type: 'string', enum: [type] },
      variants: { ...variants, additionalProperties: schemaOfType(type) },
    },
  };
};
