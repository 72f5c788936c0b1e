import type { ErrorBody, ErrorDetail } from '@pennon/schema';
import { describeIssues, didYouMean } from '@pennon/schema';
import { TRPCError } from '@trpc/server';
import type { TRPC_ERROR_CODE_KEY } from '@trpc/server';
import { z } from 'zod';

import { StoreError, type StoreErrorCode } from './store/store.ts';

/**
 * Every error code with its HTTP status and tRPC code. The last four are OpenFeature's codes for failed
 * evaluations.
 */
export const ERRORS = {
  BAD_REQUEST: { http: 400, trpc: 'BAD_REQUEST' },
  NO_EFFECT: { http: 400, trpc: 'BAD_REQUEST' },
  UNAUTHORIZED: { http: 401, trpc: 'UNAUTHORIZED' },
  FORBIDDEN: { http: 403, trpc: 'FORBIDDEN' },
  NOT_FOUND: { http: 404, trpc: 'NOT_FOUND' },
  METHOD_NOT_SUPPORTED: { http: 405, trpc: 'METHOD_NOT_SUPPORTED' },
  TIMEOUT: { http: 408, trpc: 'TIMEOUT' },
  CONFLICT: { http: 409, trpc: 'CONFLICT' },
  GONE: { http: 410, trpc: 'NOT_FOUND' },
  PRECONDITION_FAILED: { http: 412, trpc: 'PRECONDITION_FAILED' },
  PAYLOAD_TOO_LARGE: { http: 413, trpc: 'PAYLOAD_TOO_LARGE' },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, trpc: 'UNSUPPORTED_MEDIA_TYPE' },
  TOO_MANY_REQUESTS: { http: 429, trpc: 'TOO_MANY_REQUESTS' },
  INTERNAL_SERVER_ERROR: { http: 500, trpc: 'INTERNAL_SERVER_ERROR' },
  SERVICE_UNAVAILABLE: { http: 503, trpc: 'SERVICE_UNAVAILABLE' },
  FLAG_NOT_FOUND: { http: 404, trpc: 'NOT_FOUND' },
  TARGETING_KEY_MISSING: { http: 400, trpc: 'BAD_REQUEST' },
  PARSE_ERROR: { http: 500, trpc: 'INTERNAL_SERVER_ERROR' },
  INVALID_CONTEXT: { http: 400, trpc: 'BAD_REQUEST' },
} as const satisfies Record<string, { http: number; trpc: TRPC_ERROR_CODE_KEY }>;

export type ErrorCode = keyof typeof ERRORS;

type Extra = {
  readonly details?: readonly ErrorDetail[];
  /** How long the client should wait before it tries again, in whole seconds. */
  readonly retryAfterSeconds?: number;
  /** The resource's current entity tag. */
  readonly etag?: string;
  /** The body could not be read. */
  readonly isMalformed?: true;
  /** Added to the message for keys for all environments, because it names environments. */
  readonly environments?: string;
};

/** The only error that use cases throw. The message has the problem and the remedy. */
export class PennonError extends Error {
  override readonly name = 'PennonError';
  readonly code: ErrorCode;
  readonly extra: Extra;

  constructor(code: ErrorCode, message: string, extra: Extra = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.extra = extra;
  }
}

/** Returns the error as a caller may see it: only keys for all environments see the names of environments. */
export const errorFor = (
  caller: { readonly everywhere: unknown } | undefined,
  error: PennonError,
) =>
  error.extra.environments === undefined || caller?.everywhere === undefined
    ? error
    : new PennonError(error.code, error.message + error.extra.environments, {}, { cause: error });

/** Returns the environments that there are, and the one that was probably meant, for messages. */
export const describeEnvironments = (unknown: string, names: readonly string[]): string => {
  if (names.length === 0) return '; there are no environments yet';
  const sorted = names.toSorted();
  const listed = sorted.slice(0, MAX_LISTED).map(name => `"${name}"`);
  const more = sorted.length > MAX_LISTED ? ` and ${sorted.length - MAX_LISTED} more` : '';
  const list = `the environments are ${listed.join(', ')}${more}`;
  const suggestion = didYouMean(unknown, sorted);
  return suggestion === '' ? `; ${list}` : `${suggestion} T${list.slice(1)}`;
};

const MAX_LISTED = 20;

/** Returns a BAD_REQUEST with one detail for each invalid field. */
export const invalid = (details: readonly ErrorDetail[], what = 'the input'): PennonError => {
  const [first] = details;
  const reason =
    first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path} `}${first.message}`;
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : '';
  return new PennonError('BAD_REQUEST', `${what} is not valid${reason}${more}`, { details });
};

const RETRY_AFTER_SECONDS = 1;

/** What callers may know of a failure of the store: no address, path or text of the store itself. */
const STORE_MESSAGES: Readonly<Record<StoreErrorCode, string>> = {
  unavailable: 'the store is unavailable; evaluations continue from memory. Try again',
  missing:
    'the store lacks data that it had before; evaluations continue from memory. POST /api/v1/restore brings it back',
  replaced:
    'the store has the data of another installation; evaluations continue from memory. POST /api/v1/restore?overwrite=true brings back the data of this one',
  full: 'the store is full, so nothing was written; a deletion needs space as well. Try again once there is free space',
  readonly:
    'the store rejects writes, so nothing was written. The log of the server has the reason',
  corrupt: 'the data in the store is not valid. The log of the server has the details',
  locked: 'the store is in use by another process. Try again',
  newer: 'the data in the store was written by a newer version of Pennon. Use that version',
};

const fromStore = (error: StoreError): PennonError =>
  new PennonError(
    'SERVICE_UNAVAILABLE',
    error.clientMessage ?? STORE_MESSAGES[error.code],
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
    { cause: error },
  );

/** The error for a body that is larger than its route accepts. */
export const bodyTooLarge = (maxBytes: number): PennonError =>
  new PennonError('PAYLOAD_TOO_LARGE', `the body must be at most ${maxBytes} bytes`);

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

const codeOfTrpc = (code: TRPC_ERROR_CODE_KEY): ErrorCode => {
  if (code === 'PARSE_ERROR') return 'BAD_REQUEST';
  return isErrorCode(code) ? code : 'INTERNAL_SERVER_ERROR';
};

const fromTrpc = (error: TRPCError): PennonError => {
  const known = error.cause instanceof TRPCError ? undefined : fromKnown(error.cause);
  // An output that its schema rejects is a bug in the server, not invalid input.
  const isOutput = error.cause instanceof z.ZodError && error.code === 'INTERNAL_SERVER_ERROR';
  if (known !== undefined && !isOutput) return known;
  const code = codeOfTrpc(error.code);
  if (code === 'INTERNAL_SERVER_ERROR') return internal(error);
  return new PennonError(code, error.message, {}, { cause: error });
};

const fromKnown = (error: unknown): PennonError | undefined => {
  if (error instanceof PennonError) return error;
  if (error instanceof StoreError) return fromStore(error);
  if (error instanceof z.ZodError) return invalid(describeIssues(error));
  if (error instanceof TRPCError) return fromTrpc(error);
  return undefined;
};

const HTTP_TO_CODE: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_SUPPORTED',
  408: 'TIMEOUT',
  413: 'PAYLOAD_TOO_LARGE',
  414: 'BAD_REQUEST',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  431: 'BAD_REQUEST',
  503: 'SERVICE_UNAVAILABLE',
};

/** Errors of the HTTP framework have a status and a message that clients may see. */
const fromHttp = (error: unknown): PennonError | undefined => {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const code = HTTP_TO_CODE[Number(error.statusCode)];
  return code === undefined
    ? undefined
    : new PennonError(code, error.message, {}, { cause: error });
};

const internal = (cause: unknown): PennonError =>
  new PennonError(
    'INTERNAL_SERVER_ERROR',
    'internal error; see the log of the server',
    {},
    { cause },
  );

/** Converts anything thrown. Unexpected errors become INTERNAL_SERVER_ERROR without any details. */
export const toPennonError = (error: unknown): PennonError =>
  fromKnown(error) ?? fromHttp(error) ?? internal(error);

/** The body of every error response. */
export const errorBody = (error: PennonError): ErrorBody => ({
  error: {
    code: error.code,
    message: error.message,
    ...(error.extra.details === undefined ? {} : { details: [...error.extra.details] }),
  },
});
