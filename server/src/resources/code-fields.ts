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
  const fraction = numberType === 'integer' ? valuesOf(flag).find(isFraction) : undefined;
  if (fraction === undefined) return [];
  const [path, value] = fraction;
  const message = `cannot be "integer", because ${path} is ${JSON.stringify(value)}: use "float", or whole numbers only`;
  return [{ path: 'numberType', message }];
};

type PathAndValue = readonly [path: string, value: JsonValue];

const isFraction = ([, value]: PathAndValue): boolean => !Number.isInteger(value);

/** All values that an application may have for the flag, with their paths. */
const valuesOf = ({ variants, codeDefault }: Flag): readonly PathAndValue[] => [
  ...Object.entries(variants).map(([name, value]) => [`variants.${name}`, value] as const),
  ...(codeDefault == null ? [] : [['codeDefault', codeDefault] as const]),
];

/** Returns the type of the numbers of a number flag: as stated, or what fits all of its values. */
export const numberTypeOf = (flag: Flag): NumberType =>
  flag.numberType ?? (valuesOf(flag).some(isFraction) ? 'float' : 'integer');
