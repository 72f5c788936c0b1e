import { isJsonObject, readObject } from './json.ts';

/** What is known of what went wrong with one request or one stream. */
type Facts = {
  /** The HTTP status, where the server answered one. */
  readonly status?: number | undefined;
  /** The error in the body of the response. */
  readonly serverError?: { readonly code: string; readonly message: string } | undefined;
  /** The server asked to be left alone for so long. */
  readonly retryAfterMs?: number | undefined;
  /** What came does not follow what went before: the data are not to be trusted. */
  readonly gap?: true;
};

export type SyncError = Error & Facts;

export const syncError = (message: string, facts: Facts = {}): SyncError =>
  Object.assign(new Error(message), facts);

export const gap = (message: string): SyncError => syncError(message, { gap: true });

/** Whatever was thrown, as trouble. `fetch` hides what happened in the cause. */
export const toSyncError = (thrown: unknown): SyncError => {
  if (!(thrown instanceof Error)) return syncError(String(thrown));
  return thrown.cause instanceof Error
    ? syncError(`${thrown.message}: ${thrown.cause.message}`)
    : thrown;
};

/** The key is not accepted: trying again soon is of no use. */
export const isAuthError = ({ status }: { readonly status?: number | undefined }): boolean =>
  status === 401 || status === 403;

/** A server that asks for more is not believed. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/** Seconds, or an HTTP date; undefined where it is neither. */
const retryAfterMs = (header: string | null, now: number): number | undefined => {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : undefined;
};

/** Returns the error in the body of a response; undefined if the body has none. */
const serverErrorIn = (body: string): SyncError['serverError'] => {
  const error = readObject(body)?.['error'];
  return isJsonObject(error)
    ? { code: String(error['code']), message: String(error['message']) }
    : undefined;
};

/** Returns the error for a response without success, with the message of the server. */
export const errorFromResponse = async (response: Response, now: number): Promise<SyncError> => {
  const { status, headers } = response;
  const serverError = serverErrorIn(await response.text());
  const reason = serverError === undefined ? '' : `: ${serverError.message}`;
  return syncError(`the server answered ${status}${reason}`, {
    status,
    serverError,
    retryAfterMs: retryAfterMs(headers.get('retry-after'), now),
  });
};
