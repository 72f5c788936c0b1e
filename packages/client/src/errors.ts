import { TRPCClientError } from '@trpc/client';

import type { AppRouter } from './router.ts';

/** Every code that an API error can have. The last three come from OpenFeature. */
export type ErrorCode =
  | 'BAD_REQUEST'
  | 'NO_EFFECT'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_SUPPORTED'
  | 'TIMEOUT'
  | 'CONFLICT'
  | 'GONE'
  | 'PRECONDITION_FAILED'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'TOO_MANY_REQUESTS'
  | 'INTERNAL_SERVER_ERROR'
  | 'SERVICE_UNAVAILABLE'
  | 'FLAG_NOT_FOUND'
  | 'TARGETING_KEY_MISSING'
  | 'PARSE_ERROR'
  | 'INVALID_CONTEXT';

/** The body of an error: a code for programs, a message for people, and one detail per invalid field. */
export type ErrorData<Code extends ErrorCode = ErrorCode> = {
  readonly code: Code;
  readonly message: string;
  readonly details?: readonly { readonly path: string; readonly message: string }[];
};

/** An error that the server returned, as opposed to a network error. */
export type ApiError<Code extends ErrorCode = ErrorCode> = TRPCClientError<AppRouter> & {
  readonly data: { readonly error: ErrorData<Code> };
};

/**
 * Returns whether the server returned this error and, if codes are given, whether it has one of them.
 *
 * @example
 * try {
 *   await api.flags.get.query({ environment: 'production', key });
 * } catch (error) {
 *   if (!isApiError(error, 'NOT_FOUND')) throw error;
 * }
 */
export const isApiError = <Code extends ErrorCode = ErrorCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is ApiError<Code> => {
  if (!(error instanceof TRPCClientError)) return false;
  const code = codeOf(error.data);
  if (code === undefined) return false;
  return codes.length === 0 || codes.some(expected => expected === code);
};

const codeOf = (data: unknown): unknown => {
  if (typeof data !== 'object' || data === null || !('error' in data)) return undefined;
  const { error } = data;
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
};
