import type { FlagValue, JsonValue, ResolutionDetails } from '@openfeature/web-sdk';
import { ErrorCode } from '@openfeature/web-sdk';

/** The answer for one flag and one context, as the server sends it. */
export type Evaluation = {
  readonly reason: string;
  /** Where a variant was served; else the default in the code applies. */
  readonly variant?: string;
  readonly value?: JsonValue;
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
  readonly errorCode?: string;
  readonly errorMessage?: string;
};

export type Evaluations = Readonly<Record<string, Evaluation>>;

type Named = {
  readonly boolean: boolean;
  readonly string: string;
  readonly number: number;
  readonly object: JsonValue;
};

/** What a flag answers, or why the default applies. Never throws. */
export const resolve = <Type extends keyof Named, Value extends Named[Type]>(
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
    return fail(CODES.get(errorCode) ?? ErrorCode.GENERAL, errorMessage ?? errorCode);
  const flagMetadata = metadata ?? {};
  if (variant === undefined) return { value: defaultValue, reason, flagMetadata };
  if (!isA<Value>(value, type))
    return fail(ErrorCode.TYPE_MISMATCH, `flag "${flagKey}" is no ${type}`);
  return { value, variant, reason, flagMetadata };
};

/** Objects are the only values of flags that `typeof` calls an object. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what the caller knows of its type
const isA = <Value extends FlagValue>(value: unknown, type: keyof Named): value is Value =>
  typeof value === type;

/** Why the server could not decide a flag; a code that this release does not know is GENERAL. */
const CODES = new Map<string, ErrorCode>([
  ['FLAG_NOT_FOUND', ErrorCode.FLAG_NOT_FOUND],
  ['TARGETING_KEY_MISSING', ErrorCode.TARGETING_KEY_MISSING],
  ['PARSE_ERROR', ErrorCode.PARSE_ERROR],
]);
