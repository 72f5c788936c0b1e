import { isDate } from 'node:util/types';

import { ErrorCode } from '@openfeature/server-sdk';
import type { FlagMetadata, JsonValue, ResolutionDetails } from '@openfeature/server-sdk';
import type { Evaluation, NotServed, Served } from '@pennon/schema';

import type { FlagTelemetry } from './flag-snapshot.ts';

/** The deepest context that the server accepts. Deeper values are not converted, so a cycle has an end. */
const MAX_CONTEXT_DEPTH = 20;

/** Returns undefined for an invalid date, so the attribute is missing. */
const toIsoText = (date: Date): string | undefined =>
  Number.isNaN(date.getTime()) ? undefined : date.toISOString();

/** An object or a list: the items of a list are read by index, as members are by name. */
type Container = { readonly [name: string]: unknown };

const isContainer = (value: unknown): value is Container =>
  typeof value === 'object' && value !== null;

/** Recognizes most values without a call of `convertValue`. */
const isPlainScalar = (value: unknown): boolean =>
  typeof value === 'string' ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  value === undefined;

const convertValue = (value: unknown, depth: number): unknown => {
  if (isDate(value)) return toIsoText(value);
  if (isContainer(value)) return depth > MAX_CONTEXT_DEPTH ? value : convertMembers(value, depth);
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'function' || typeof value === 'symbol' ? undefined : value;
};

/** Defines the member instead of assigning it, because its name may be `__proto__`. */
const setMember = (copy: object, name: string, value: unknown): void =>
  void Object.defineProperty(copy, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });

const copyOf = (value: object): object =>
  Array.isArray(value) ? Array.from<unknown>(value) : { ...value };

/** Returns `value` itself if no member has to be converted, so most contexts are not copied. */
const convertMembers = (value: Container, depth: number): object => {
  let copy: object | undefined;
  for (const name in value) {
    const member = value[name];
    if (isPlainScalar(member) || !Object.hasOwn(value, name)) continue;
    const plain = convertValue(member, depth + 1);
    if (plain === member) continue;
    copy ??= copyOf(value);
    setMember(copy, name, plain);
  }
  return copy ?? value;
};

/**
 * Returns the value of an attribute in the form that the engine reads. Evaluations in this process convert only
 * the attributes that a flag reads.
 */
export const toPlainValue = (value: unknown): unknown => convertValue(value, 2);

/**
 * Returns the evaluation context in the form that the engine and the server read: dates become text in UTC,
 * BigInts become numbers, and functions, symbols and invalid dates become undefined.
 */
export const toPlainContext = (context: unknown): unknown =>
  isContainer(context) ? convertMembers(context, 1) : context;

/** No evaluation took place: there are no flags, or the server is unreachable. The default value applies. */
export type Unavailable = {
  readonly flagKey: string;
  readonly enabled: false;
  readonly reason: 'ERROR';
  readonly errorCode: 'PROVIDER_NOT_READY' | 'INVALID_CONTEXT' | 'GENERAL';
  readonly errorMessage: string;
};

/** A result of the server that was received for an earlier evaluation. */
export type CachedEvaluation = (Omit<Served, 'reason'> | Omit<NotServed, 'reason'>) & {
  readonly reason: 'CACHED';
};

/** The result of the engine or of the server, or why there is none. */
export type EvaluationResult = Evaluation | CachedEvaluation | Unavailable;

export const unavailable = (
  flagKey: string,
  errorCode: Unavailable['errorCode'],
  errorMessage: string,
): Unavailable => ({ flagKey, enabled: false, reason: 'ERROR', errorCode, errorMessage });

export const noFlags = (flagKey: string): Unavailable =>
  unavailable(
    flagKey,
    'PROVIDER_NOT_READY',
    'there are no flags: the provider is not initialized, or has not received any yet',
  );

/** The type that a caller expects. The SDK does not check it, so the provider must. */
export type ExpectedType<T> = {
  readonly name: string;
  readonly is: (value: unknown) => value is T;
};

export const BOOLEAN: ExpectedType<boolean> = {
  name: 'boolean',
  is: value => typeof value === 'boolean',
};
export const STRING: ExpectedType<string> = {
  name: 'string',
  is: value => typeof value === 'string',
};
export const NUMBER: ExpectedType<number> = {
  name: 'number',
  is: value => typeof value === 'number',
};

/** The shape of the object is the caller's claim and cannot be checked. */
export const objectType = <T extends JsonValue>(): ExpectedType<T> => ({
  name: 'object',
  is: (value): value is T => typeof value === 'object' && value !== null,
});

/** What a result states itself takes precedence over `telemetry`, which is that of the flags in this process. */
const metadataOf = (
  { metadata, version, environment, ruleId }: ResultDetails,
  telemetry: FlagTelemetry,
): FlagMetadata => ({
  ...metadata,
  ...telemetry,
  ...(version !== undefined && { version }),
  ...(environment !== undefined && { flagSetId: environment }),
  ...(ruleId !== undefined && { ruleId }),
});

/** What only some results have. */
type ResultDetails = {
  readonly flagKey: string;
  readonly metadata?: FlagMetadata | undefined;
  readonly version?: number | undefined;
  readonly environment?: string | undefined;
  readonly ruleId?: string | undefined;
};

/** Converts a result to OpenFeature's form. */
export const toResolution = <T>(
  result: EvaluationResult,
  expected: ExpectedType<T>,
  defaultValue: T,
  telemetry: FlagTelemetry,
): ResolutionDetails<T> => {
  const flagMetadata = metadataOf(result, telemetry);
  if (result.reason === 'ERROR') {
    const { reason, errorCode, errorMessage } = result;
    return {
      value: defaultValue,
      reason,
      errorCode: ErrorCode[errorCode],
      errorMessage,
      flagMetadata,
    };
  }
  if (!('variant' in result)) return { value: defaultValue, reason: result.reason, flagMetadata };
  const { value, variant, reason } = result;
  if (expected.is(value)) return { value, variant, reason, flagMetadata };
  return {
    value: defaultValue,
    reason: 'ERROR',
    errorCode: ErrorCode.TYPE_MISMATCH,
    errorMessage: `flag "${result.flagKey}" is not of type ${expected.name}: its variant "${variant}" is of type ${typeof value}`,
    flagMetadata,
  };
};
