import type { AttributeCondition, Json, Operator } from './document.ts';

/** What an operator compares an attribute with. */
export type Operand =
  'scalar' | 'list' | 'string' | 'number' | 'none' | 'date' | 'semver' | 'network' | 'pattern';

/** All operators, in the order in which people choose them. */
export const OPERANDS = {
  equals: 'scalar',
  notEquals: 'scalar',
  in: 'list',
  notIn: 'list',
  contains: 'string',
  startsWith: 'string',
  endsWith: 'string',
  matches: 'pattern',
  greaterThan: 'number',
  greaterOrEqual: 'number',
  lessThan: 'number',
  lessOrEqual: 'number',
  before: 'date',
  after: 'date',
  semverEquals: 'semver',
  semverGreaterThan: 'semver',
  semverGreaterOrEqual: 'semver',
  semverLessThan: 'semver',
  semverLessOrEqual: 'semver',
  inCidr: 'network',
  exists: 'none',
} as const satisfies Readonly<Record<Operator, Operand>>;

/** The kinds of operators as groups of a choice. */
export const OPERATOR_GROUPS = [
  ['any', ['scalar', 'list', 'none']],
  ['text', ['string', 'pattern']],
  ['number', ['number']],
  ['date', ['date']],
  ['version', ['semver']],
  ['network', ['network']],
] as const satisfies readonly (readonly [string, readonly Operand[]])[];

const isOperator = (name: string): name is Operator => Object.hasOwn(OPERANDS, name);

export const OPERATORS: readonly Operator[] = Object.keys(OPERANDS).filter(isOperator);

const isValues = (value: Json): value is readonly Json[] => Array.isArray(value);

/** Returns the values of a condition as a list. */
export const valuesOf = (value: Json | undefined): readonly Json[] => {
  if (value === undefined || value === null) return [];
  return isValues(value) ? value : [value];
};

const isList = (operand: Operand): boolean => operand === 'list' || operand === 'network';

/** Returns the condition with another operator. Its value is kept as far as the operator can have it. */
export const withOperator = (
  condition: AttributeCondition,
  operator: Operator,
): AttributeCondition => {
  const { value: _, ...others } = condition;
  const operand = OPERANDS[operator];
  if (operand === 'none') return { ...others, operator };
  const values = valuesOf(condition.value);
  return { ...others, operator, value: isList(operand) ? values : (values[0] ?? '') };
};

/** How the values of a condition are written. */
export const VALUE_TYPES = ['text', 'number', 'boolean'] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Returns the type of the values of a condition. */
export const valueTypeOf = (value: Json | undefined): ValueType => {
  const [first] = valuesOf(value);
  if (typeof first === 'number') return 'number';
  return typeof first === 'boolean' ? 'boolean' : 'text';
};

/** Returns a value from what a person has written; the text itself if it is not of that type. */
export const parseValue = (text: string, type: ValueType): Json => {
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  const number = Number(text);
  return type === 'number' && text.trim() !== '' && Number.isFinite(number) ? number : text;
};

/** Returns the value of each line, once. */
export const parseValues = (text: string, type: ValueType): readonly Json[] => [
  ...new Set(
    text
      .split('\n')
      .map(line => line.trim())
      .filter(line => line !== '')
      .map(line => parseValue(line, type)),
  ),
];

/** Returns pasted text with one value a line. It may be a row or a column of a table, or a list with commas. */
export const toLines = (text: string): string =>
  text
    .split(text.includes('\n') ? /[\r\n\t]+/ : /[\t,;]/)
    .map(part => part.trim())
    .join('\n');
