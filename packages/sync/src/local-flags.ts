import { isJsonObject } from './json.ts';

/** All fields of a flag. A test compares them with those of the contract. Marked as pure, so pages do not load it. */
export const FLAG_FIELDS =
  /* @__PURE__ */ 'key type enabled variants defaultVariant rules seed clientVisible metadata requires version createdAt updatedAt name description tags owner codeDefault numberType'.split(
    ' ',
  );

/** Whether a value is the key of a flag or an environment. The server has the same rule. */
export const isKey = (value: unknown): boolean =>
  typeof value === 'string' && /^(?!.*\.\.)[a-z\d][\w.-]{0,99}$/i.test(value);

/** Returns what is wrong with the keys of flags that an application passes itself, or undefined. */
export const localKeyProblem = (flags: object): string | undefined => {
  const key = Object.keys(flags).find(each => !isKey(each));
  return key === undefined
    ? undefined
    : `"flags" cannot have the key ${JSON.stringify(key)}: use 1 to 100 letters, digits, ".", "_" and "-", with a letter or a digit first, and without ".."`;
};

/**
 * Returns what is wrong with a flag that an application passes itself, or undefined. An object with the field
 * `enabled` is a flag. Anything else is the value of a flag. `unknownField` returns what is wrong with the names of
 * its fields.
 */
export const localFlagProblem = (
  flag: unknown,
  unknownField: (flag: object, fields: readonly string[]) => string | undefined,
): string | undefined => {
  if (!isJsonObject(flag))
    return /^(boolean|string)$/.test(typeof flag) || Number.isFinite(flag)
      ? undefined
      : 'must be a flag, or its value: a boolean, a string, a number or an object';
  if (typeof flag['enabled'] === 'boolean') return unknownField(flag, FLAG_FIELDS);
  return 'enabled' in flag || 'defaultVariant' in flag
    ? 'must have true or false as "enabled"; an object as value belongs in "variants"'
    : undefined;
};
