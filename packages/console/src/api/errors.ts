import { TRPCClientError } from '@trpc/client';

/** A response of the server other than the expected one. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

const httpStatus = (data: unknown): number | undefined =>
  typeof data === 'object' && data !== null && 'httpStatus' in data
    ? Number(data.httpStatus)
    : undefined;

/** Returns the HTTP status of an error, or undefined if the server did not respond. */
export const statusOf = (error: unknown): number | undefined => {
  if (error instanceof ApiError) return error.status;
  return error instanceof TRPCClientError ? httpStatus(error.data) : undefined;
};

export const isSignedOut = (error: unknown): boolean => statusOf(error) === 401;

const SERVER_ERROR = 500;
const TOO_MANY_REQUESTS = 429;

/** Whether the server refuses a request, and would refuse it again. */
export const isRefused = (error: unknown): boolean => {
  const status = statusOf(error);
  return status !== undefined && status < SERVER_ERROR && status !== TOO_MANY_REQUESTS;
};

const UNAVAILABLE = 503;

/** Whether the message of an error helps the person who sent the request, as that of a store that is away does. */
export const isExplained = (error: unknown): error is Error => {
  const status = statusOf(error);
  return status !== undefined && (status < SERVER_ERROR || status === UNAVAILABLE);
};

/** What is wrong with one field of a request. */
export type ErrorDetail = { readonly path: string; readonly message: string };

const isDetail = (value: unknown): value is ErrorDetail =>
  typeof value === 'object' &&
  value !== null &&
  'path' in value &&
  typeof value.path === 'string' &&
  'message' in value &&
  typeof value.message === 'string';

/** What the console refuses itself, before a request. */
export class FieldError extends Error {
  override readonly name = 'FieldError';
  readonly detail: ErrorDetail;

  constructor(path: string, message: string) {
    super(message);
    this.detail = { path, message };
  }
}

const bodyOf = (data: unknown): unknown =>
  typeof data === 'object' && data !== null && 'error' in data ? data.error : undefined;

/** Returns what is wrong with the fields of a request, as far as it is listed. */
export const detailsOf = (error: unknown): readonly ErrorDetail[] => {
  if (error instanceof FieldError) return [error.detail];
  const body = error instanceof TRPCClientError ? bodyOf(error.data) : undefined;
  if (typeof body !== 'object' || body === null || !('details' in body)) return [];
  const details: unknown = body.details;
  return Array.isArray(details) ? details.filter(isDetail) : [];
};
