import { valueProblem } from '@pennon/engine';
import { Key, lines, line, LIMITS, strictObject, Value } from '@pennon/schema';
import type { ErrorDetail, Flag, FlagType } from '@pennon/schema';
import { z } from 'zod';

import { invalid, PennonError } from '../errors.ts';
import { codeTypeOf, toCodeFlag, type CodeType } from '../flags/code.ts';
import { isWholeText } from '../resources/code-fields.ts';

/** The types of the OpenFeature CLI. Its description of the API lacks `float`, which it sends and accepts. */
export const ManifestType = z
  .enum(['boolean', 'string', 'integer', 'float', 'object'] satisfies CodeType[])
  .meta({ id: 'ManifestType' });

const fields = {
  key: Key,
  type: ManifestType,
  name: line(0, LIMITS.titleLength).optional(),
  description: lines(0, LIMITS.textLength).nullish(),
};

/** A flag of a manifest, and the body of a request that creates one. */
export const ManifestFlag = strictObject({ ...fields, defaultValue: Value }).meta({
  id: 'ManifestFlag',
});
export type ManifestFlag = z.infer<typeof ManifestFlag>;

/** The body of a request that changes a flag. */
export const ManifestFlagChange = strictObject({ ...fields, defaultValue: Value.optional() }).meta({
  id: 'ManifestFlagChange',
});
export type ManifestFlagChange = z.infer<typeof ManifestFlagChange>;

/** Projects a flag. Fields without a value are absent. */
export const toManifestFlag = (flag: Flag): ManifestFlag => {
  const { key, type, description, defaultValue } = toCodeFlag(flag);
  return {
    key,
    ...(flag.name ? { name: flag.name } : {}),
    type,
    ...(description === undefined ? {} : { description }),
    defaultValue,
  };
};

/** Returns the flag to create: it is enabled, and serves the default value until it has other variants or rules. */
export const toNewFlag = ({ key, type, name, description, defaultValue }: ManifestFlag) => {
  requireDefaultValue(type, defaultValue);
  return {
    key,
    enabled: true,
    type: flagTypeOf(type),
    ...servingOnly(defaultValue),
    codeDefault: defaultValue,
    ...(isNumberType(type) && { numberType: type }),
    ...(name && { name }),
    ...(description && { description }),
  };
};

const servingOnly = (value: Value) =>
  typeof value === 'boolean'
    ? { variants: { on: true, off: false }, defaultVariant: value ? 'on' : 'off' }
    : { variants: { default: value }, defaultVariant: 'default' };

/**
 * Returns the patch of a change. A flag without description has none afterwards, because the CLI sends no empty
 * ones. A name stays if it is absent, because the CLI has no names.
 */
export const toFlagPatch = (current: Flag, change: ManifestFlagChange) => {
  const { key, type, name, description, defaultValue } = change;
  requireSameType(current, type);
  if (defaultValue !== undefined) requireDefaultValue(type, defaultValue);
  return {
    key,
    name,
    description: description || null,
    codeDefault: defaultValue,
    ...(isNumberType(type) && type !== codeTypeOf(current) && { numberType: type }),
  };
};

/** The fields of a flag that a manifest has by another name. */
const MANIFEST_NAMES: ReadonlyMap<string, string> = new Map([
  ['numberType', 'type'],
  ['codeDefault', 'defaultValue'],
]);

/** Writes a problem or a warning about a flag in the words of a manifest. */
export const toManifestDetail = ({ path, message }: ErrorDetail): ErrorDetail => ({
  path: MANIFEST_NAMES.get(path) ?? path,
  message: message.replaceAll('codeDefault', 'defaultValue'),
});

const isNumberType = (type: CodeType) => type === 'integer' || type === 'float';

const flagTypeOf = (type: CodeType): FlagType => (isNumberType(type) ? 'number' : type);

const requireDefaultValue = (type: CodeType, value: Value): void => {
  const message =
    type === 'integer' && typeof value === 'number' && !isWholeText(String(value))
      ? 'must be a whole number below 1e21, because the type is "integer": use "float"'
      : valueProblem(value, flagTypeOf(type));
  if (message !== undefined) throw invalid([{ path: 'defaultValue', message }]);
};

/** Numbers can become integers or floats: for Pennon they have one type. */
const requireSameType = (current: Flag, type: CodeType): void => {
  if (flagTypeOf(type) === current.type) return;
  const before = codeTypeOf(current);
  throw new PennonError(
    'CONFLICT',
    `flag "${current.key}" is "${before}" and cannot become "${type}", because applications read it as "${before}": create another flag`,
    { details: [{ path: 'type', message: `must be "${before}"` }] },
  );
};
