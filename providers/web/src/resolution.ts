import type { FlagValue, JsonValue, ResolutionDetails } from '@openfeature/web-sdk';
import { ErrorCode } from '@openfeature/web-sdk';

/** The result of one flag for one context, as the server sends it. */
export type Evaluation = {
  readonly reason: string;
  /** Omitted if the flag serves no variant; the default in the code then applies. */
  readonly variant?: string;
  readonly value?: JsonValue;
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  readonly errorCode?: string;
  readonly errorMessage?: string;
};

export type Evaluations = Readonly<Record<string, Evaluation>>;

type ValueTypes = {
  readonly boolean: boolean;
  readonly string: string;
  readonly number: number;
  readonly object: JsonValue;
};

/** Resolves a flag to its value, or to the default with the reason for it. Never throws. */
export const resolve = <Type extends keyof ValueTypes, Value extends ValueTypes[Type]>(
  evaluations: Evaluations | undefined,
  flagKey: string,
  type: Type,
  defaultValue: Value,
): ResolutionDetails<Value> => {
  const fail = (errorCode: ErrorCode, errorMessage: string): ResolutionDetails<Value> => ({
    value: defaultValue,
    reason: 'ERROR',
    errorCode,
    errorMessage,
  });
  if (evaluations === undefined)
    return fail(ErrorCode.PROVIDER_NOT_READY, 'there are no values yet');
  const evaluation = Object.hasOwn(evaluations, flagKey) ? evaluations[flagKey] : undefined;
  if (evaluation === undefined)
    return fail(ErrorCode.FLAG_NOT_FOUND, `there is no flag "${flagKey}"`);
  const { reason, variant, value, metadata, errorCode, errorMessage } = evaluation;
  if (errorCode !== undefined)
    return fail(ERROR_CODES.get(errorCode) ?? ErrorCode.GENERAL, errorMessage ?? errorCode);
  const flagMetadata = metadata ?? {};
  if (variant === undefined) return { value: defaultValue, reason, flagMetadata };
  if (!isOfType<Value>(value, type))
    return fail(ErrorCode.TYPE_MISMATCH, `flag "${flagKey}" is not of the type ${type}`);
  return { value, variant, reason, flagMetadata };
};

/** The values of object flags are the only ones for which `typeof` returns "object". */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the type of `type`
const isOfType = <Value extends FlagValue>(
  value: unknown,
  type: keyof ValueTypes,
): value is Value => typeof value === type;

/** The error codes of the server. A code that this release does not know becomes GENERAL. */
const ERROR_CODES = new Map<string, ErrorCode>([
  ['FLAG_NOT_FOUND', ErrorCode.FLAG_NOT_FOUND],
  ['TARGETING_KEY_MISSING', ErrorCode.TARGETING_KEY_MISSING],
  ['PARSE_ERROR', ErrorCode.PARSE_ERROR],
]);
