import { valueProblem } from '@pennon/engine';
import type { ErrorDetail, Flag, JsonValue, NumberType } from '@pennon/schema';

/** Returns what is wrong with the fields of a flag that only code generators read. */
export const codeFieldProblems = (flag: Flag): readonly ErrorDetail[] => [
  ...codeDefaultProblems(flag),
  ...numberTypeProblems(flag),
];

const codeDefaultProblems = ({ type, codeDefault }: Flag): ErrorDetail[] => {
  if (codeDefault == null) return [];
  const message = valueProblem(codeDefault, type);
  return message === undefined ? [] : [{ path: 'codeDefault', message }];
};

const numberTypeProblems = (flag: Flag): ErrorDetail[] => {
  const { type, numberType } = flag;
  if (numberType == null) return [];
  if (type !== 'number')
    return [{ path: 'numberType', message: 'is for flags of type "number" only: leave it out' }];
  const other = numberType === 'integer' ? valuesOf(flag).find(isFloat) : undefined;
  if (other === undefined) return [];
  const [path, value] = other;
  const message = `cannot be "integer", because ${path} is ${JSON.stringify(value)}: use "float", or whole numbers below 1e21 only`;
  return [{ path: 'numberType', message }];
};

type PathAndValue = readonly [path: string, value: JsonValue];

const isFloat = ([, value]: PathAndValue): boolean => !isWholeText(JSON.stringify(value));

/** Whether a number is an integer in every language. From 1e21, JSON has an exponent, which makes it a float. */
export const isWholeText = (text: string): boolean => /^-?\d+$/.test(text);

/** All values that an application may have for the flag, with their paths. */
const valuesOf = ({ variants, codeDefault }: Flag): readonly PathAndValue[] => [
  ...Object.entries(variants).map(([name, value]) => [`variants.${name}`, value] as const),
  ...(codeDefault == null ? [] : [['codeDefault', codeDefault] as const]),
];

/** Returns the type of the numbers of a number flag: as stated, or what fits all of its values. */
export const numberTypeOf = (flag: Flag): NumberType =>
  flag.numberType ?? (valuesOf(flag).some(isFloat) ? 'float' : 'integer');
