import type { FlagValue, JsonValue, ResolutionDetails } from '@openfeature/web-sdk';
import type { Values } from '@pennon/sync';
import { ownValue } from '@pennon/sync';

import { ErrorCode } from './sdk.ts';

/** The result of one flag for one context, as the server sends it. */
export type Evaluation = {
  readonly reason: string;
  /** Omitted if the flag serves no variant; the default in the code then applies. */
  readonly variant?: string;
  readonly value?: JsonValue;
  /** The rule that served the variant. */
  readonly ruleId?: string;
  /** The version of the flag. */
  readonly version?: number;
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  readonly errorCode?: string;
  readonly errorMessage?: string;
};

export type ValueTypes = {
  readonly boolean: boolean;
  readonly string: string;
  readonly number: number;
  readonly object: JsonValue;
};

/**
 * Resolves a flag to its value, or to the default with the reason for it. Never throws. `experimentOf` returns the
 * experiment that a rule and a variant are part of.
 */
// oxlint-disable-next-line max-params -- bundlers shorten the names of parameters, but not those of properties
export const resolve = <Type extends keyof ValueTypes, Value extends ValueTypes[Type]>(
  values: Values<Evaluation> | undefined,
  isRestored: boolean | undefined,
  flagKey: string,
  type: Type,
  defaultValue: Value,
  experimentOf: (ruleId: string, variant: string) => string | undefined,
): ResolutionDetails<Value> => {
  const fail = (errorCode: ErrorCode, errorMessage: string): ResolutionDetails<Value> => ({
    value: defaultValue,
    reason: 'ERROR',
    errorCode,
    errorMessage,
  });
  if (!values) return fail(ErrorCode.PROVIDER_NOT_READY, 'there are no values yet');
  const evaluation = ownValue(values.evaluations, flagKey);
  if (!evaluation) return fail(ErrorCode.FLAG_NOT_FOUND, `there is no flag "${flagKey}"`);
  const { variant, value, errorCode, errorMessage, version, ruleId } = evaluation;
  // The server has the error codes of OpenFeature. One that this release does not know becomes GENERAL.
  if (errorCode !== undefined)
    return fail(
      ownValue<ErrorCode>(ErrorCode, errorCode) ?? ErrorCode.GENERAL,
      errorMessage ?? errorCode,
    );
  const isServed = variant !== undefined && isOfType<Value>(value, type);
  if (variant !== undefined && !isServed)
    return fail(ErrorCode.TYPE_MISMATCH, `flag "${flagKey}" is not of the type ${type}`);
  const experiment = isServed && ruleId !== undefined ? experimentOf(ruleId, variant) : undefined;
  const flagSetId = values.environment;
  return {
    value: isServed ? value : defaultValue,
    ...(isServed && { variant }),
    reason: isRestored ? 'CACHED' : evaluation.reason,
    // The metadata of the flag, and what OpenFeature's telemetry expects.
    flagMetadata: {
      ...evaluation.metadata,
      ...defined({ version, flagSetId, ruleId, experiment }),
    },
  };
};

/** Returns a copy without the fields that are undefined. */
const defined = <Value>(object: Readonly<Record<string, Value | undefined>>) =>
  Object.fromEntries(
    Object.entries(object).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );

/** The values of object flags are the only ones for which `typeof` returns "object". */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the type of `type`
const isOfType = <Value extends FlagValue>(
  value: unknown,
  type: keyof ValueTypes,
): value is Value => typeof value === type;
