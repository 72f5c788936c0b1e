import type { FlagMetadata, FlagValue, JsonValue, ResolutionDetails } from '@openfeature/web-sdk';
import { ErrorCode } from '@openfeature/web-sdk';
import type { Values } from '@pennon/sync';
import { ownValue } from '@pennon/sync';

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

/** The values to resolve flags from. */
export type ResolutionSource = {
  values(): Values<Evaluation> | undefined;
  /** Whether the values come from the storage of the browser. */
  isRestored(): boolean;
};

/** Resolves a flag to its value, or to the default with the reason for it. Never throws. */
export const resolve = <Type extends keyof ValueTypes, Value extends ValueTypes[Type]>(
  source: ResolutionSource | undefined,
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
  const values = source?.values();
  if (values === undefined) return fail(ErrorCode.PROVIDER_NOT_READY, 'there are no values yet');
  const evaluation = ownValue(values.evaluations, flagKey);
  if (evaluation === undefined)
    return fail(ErrorCode.FLAG_NOT_FOUND, `there is no flag "${flagKey}"`);
  const { variant, value, errorCode, errorMessage } = evaluation;
  if (errorCode !== undefined)
    return fail(ERROR_CODES.get(errorCode) ?? ErrorCode.GENERAL, errorMessage ?? errorCode);
  const reason = source?.isRestored() === true ? 'CACHED' : evaluation.reason;
  const flagMetadata = metadataOf(evaluation, values.environment);
  if (variant === undefined) return { value: defaultValue, reason, flagMetadata };
  if (!isOfType<Value>(value, type))
    return fail(ErrorCode.TYPE_MISMATCH, `flag "${flagKey}" is not of the type ${type}`);
  return { value, variant, reason, flagMetadata };
};

/** The metadata of the flag, and what OpenFeature's telemetry expects. */
const metadataOf = (
  { metadata, version, ruleId }: Evaluation,
  flagSetId: string | undefined,
): FlagMetadata => ({
  ...metadata,
  ...(version !== undefined && { version }),
  ...(flagSetId !== undefined && { flagSetId }),
  ...(ruleId !== undefined && { ruleId }),
});

/** The values of object flags are the only ones for which `typeof` returns "object". */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the type of `type`
const isOfType = <Value extends FlagValue>(
  value: unknown,
  type: keyof ValueTypes,
): value is Value => typeof value === type;

/** The server has the error codes of OpenFeature. One that this release does not know becomes GENERAL. */
const ERROR_CODES = new Map<string, ErrorCode>(Object.entries(ErrorCode));
