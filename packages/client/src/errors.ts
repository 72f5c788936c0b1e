import { TRPCClientError } from '@trpc/client';

import type { AppRouter } from './router.ts';

/** Every code that an error of the API can have. The last three are OpenFeature's own. */
export type ErrorCode =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_SUPPORTED'
  | 'TIMEOUT'
  | 'CONFLICT'
  | 'PRECONDITION_FAILED'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'TOO_MANY_REQUESTS'
  | 'INTERNAL_SERVER_ERROR'
  | 'SERVICE_UNAVAILABLE'
  | 'FLAG_NOT_FOUND'
  | 'TARGETING_KEY_MISSING'
  | 'PARSE_ERROR';

/** What the server said: a code to act on, a message for people, and a detail for each field that was wrong. */
export type ErrorData<Code extends ErrorCode = ErrorCode> = {
  readonly code: Code;
  readonly message: string;
  readonly details?: readonly { readonly path: string; readonly message: string }[];
};

/** An error that the server answered, as opposed to one of the network. */
export type ApiError<Code extends ErrorCode = ErrorCode> = TRPCClientError<AppRouter> & {
  readonly data: { readonly error: ErrorData<Code> };
};

/**
 * Whether the server answered this error, with one of these codes where any is named.
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
  return codes.length === 0 || codes.some(wanted => wanted === code);
};

const codeOf = (data: unknown): unknown => {
  if (typeof data !== 'object' || data === null || !('error' in data)) return undefined;
  const { error } = data;
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
};
