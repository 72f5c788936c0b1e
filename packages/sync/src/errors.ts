import { isJsonObject, parseJsonObject } from './json.ts';
import { LONGEST_RETRY_AFTER_MS } from './times.ts';

type ErrorDetails = {
  /** The HTTP status, if the server sent a response. */
  readonly status?: number | undefined;
  /** The error in the body of the response. */
  readonly serverError?: { readonly code: string; readonly message: string } | undefined;
  /** How long to wait before the next request, from the Retry-After header. */
  readonly retryAfterMs?: number | undefined;
  /** An event did not follow from the previous one, so the data may be wrong and must be loaded again. */
  readonly isGap?: true;
  /** This process ended the request, to send another one at once. */
  readonly isInterruption?: true;
};

/** Why a request or a stream failed. */
export type SyncError = Error & ErrorDetails;

export const syncError = (message: string, details: ErrorDetails = {}): SyncError =>
  Object.assign(new Error(message), details);

export const gapError = (message: string): SyncError => syncError(message, { isGap: true });

/** Converts any thrown value. Adds the message of the cause, which is where `fetch` puts the reason. */
export const toSyncError = (thrown: unknown): SyncError => {
  if (!(thrown instanceof Error)) return syncError(String(thrown));
  return thrown.cause instanceof Error
    ? syncError(`${thrown.message}: ${thrown.cause.message}`)
    : thrown;
};

/** Returns whether the server rejected the key, so trying again soon is pointless. */
export const isAuthError = ({ status }: { readonly status?: number | undefined }): boolean =>
  status === 401 || status === 403;

const TEMPORARY_STATUS = /^(408|425|429)$/;

/**
 * Returns whether the server rejected the request itself, such as one for an environment that does not exist,
 * or redirects it to another origin.
 * The same request fails again until the server or the options are corrected.
 */
export const isRequestError = (error: { readonly status?: number | undefined }): boolean => {
  const { status = 0 } = error;
  return (
    status >= 300 && status < 500 && !TEMPORARY_STATUS.test(String(status)) && !isAuthError(error)
  );
};

/**
 * Returns how long the Retry-After header requires to wait. It has seconds, or an HTTP date, which counts from the date
 * of the response, because the clock of this machine may be wrong. Returns undefined if it has neither.
 */
export const retryAfterOf = (headers: Headers): number | undefined => {
  const text = headers.get('retry-after') ?? '';
  const ms = Number(text) * 1_000 || Date.parse(text) - Date.parse(headers.get('date') ?? '');
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : undefined;
};

/** Returns the error in the body of a response, or undefined if there is none in the form that Pennon sends. */
const serverErrorIn = (body: string): SyncError['serverError'] => {
  const error = parseJsonObject(body)?.['error'];
  if (!isJsonObject(error)) return undefined;
  const { code, message } = error;
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined;
};

/** Converts the event `error`, with which a server ends a stream after a failure. */
export const errorFromEvent = (data: string): SyncError => {
  const { code = 'an error', message = '' } = serverErrorIn(data) ?? {};
  return syncError(`the server ended the stream with ${code}: ${message}`);
};

/** Pennon rejects a key with one of these in the body. A proxy or gateway sends another body. */
const KEY_REJECTED = /^(UNAUTHORIZED|FORBIDDEN)$/;

/** Converts a response with an error status, including the error in its body. */
export const errorFromResponse = async (response: Response): Promise<SyncError> => {
  const { status, headers } = response;
  const serverError = serverErrorIn(await response.text());
  return isAuthError({ status }) && !KEY_REJECTED.test(serverError?.code ?? '')
    ? syncError(`a proxy or gateway in front of the server responded with ${status}`)
    : syncError(
        `the server responded with ${status}${serverError ? `: ${serverError.message}` : ''}`,
        { status, serverError, retryAfterMs: retryAfterOf(headers) },
      );
};
