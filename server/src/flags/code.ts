import type { Flag, NumberType, Value } from '@pennon/schema';

import { numberTypeOf } from '../resources/code-fields.ts';

/** The types of flags in code. OpenFeature has one method for each, apart from TypeScript, which has one for numbers. */
export type CodeType = Exclude<Flag['type'], 'number'> | NumberType;

/** A flag as code reads it. */
export type CodeFlag = {
  readonly key: string;
  readonly type: CodeType;
  readonly description: string | undefined;
  /** The value that code passes for the case that the flag has none. Never null. */
  readonly defaultValue: Value;
  /** What the code can receive, in the order of variants. May have duplicates. */
  readonly values: readonly Value[];
};

export const toCodeFlag = (flag: Flag): CodeFlag => {
  const defaultValue = defaultValueOf(flag);
  return {
    key: flag.key,
    type: codeTypeOf(flag),
    description: flag.description || undefined,
    defaultValue,
    values: [...Object.values(flag.variants), defaultValue],
  };
};

export const codeTypeOf = (flag: Flag): CodeType =>
  flag.type === 'number' ? numberTypeOf(flag) : flag.type;

/**
 * Returns the code default. A boolean flag without one is off, because code also receives this value while the flag
 * is disabled. Other flags have a value that the code knows: of the default variant, otherwise of the first by name.
 */
export const defaultValueOf = ({ type, codeDefault, defaultVariant, variants }: Flag): Value => {
  if (codeDefault != null) return codeDefault;
  if (type === 'boolean') return false;
  const name = defaultVariant ?? Object.keys(variants).toSorted()[0] ?? '';
  const value = variants[name];
  if (value === undefined) throw new Error(`there is no variant "${name}"`);
  return value;
};
