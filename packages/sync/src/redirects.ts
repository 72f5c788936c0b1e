import { syncError } from './errors.ts';
import type { SyncError } from './errors.ts';

type Fetch = typeof globalThis.fetch;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;

/**
 * Follows redirects within the origin of `url`, with the same method, headers and body. A redirect to another
 * origin is an error, because the key and the context are for the origin in the options only.
 */
export const fetchWithinOrigin = async (
  fetch: Fetch,
  url: string,
  init: RequestInit,
): Promise<Response> => {
  let current = url;
  let status = 0;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await fetch(current, { ...init, redirect: 'manual' });
    // Browsers hide the status and the target of a redirect.
    const isHidden = response.type === 'opaqueredirect';
    status = isHidden ? 302 : response.status;
    if (!REDIRECTS.has(status)) return response;
    await response.body?.cancel();
    const location = isHidden
      ? await followWithoutCredentials(fetch, current, init)
      : response.headers.get('location');
    current = targetOf(current, location, status);
  }
  throw redirectError(`${shown(new URL(url))} redirects more than ${MAX_REDIRECTS} times`, status);
};

/** Returns the target of a redirect, or null if the browser does not reveal it. */
const followWithoutCredentials = async (
  fetch: Fetch,
  url: string,
  { signal = null }: RequestInit,
): Promise<string | null> => {
  try {
    const init = { cache: 'no-store', credentials: 'omit', signal } as const;
    const response = await fetch(url, init);
    await response.body?.cancel();
    return response.redirected ? response.url : null;
  } catch {
    return null;
  }
};

const targetOf = (url: string, location: string | null, status: number): string => {
  const from = new URL(url);
  const target = parse(location, url);
  if (target === undefined)
    throw redirectError(
      `${shown(from)} redirects to an address that is missing, hidden or not HTTP`,
      status,
    );
  // `fetch` refuses an address with credentials, and its error repeats them.
  if (target.origin === from.origin) return shown(target) + target.search;
  throw redirectError(`${shown(from)} redirects to ${shown(target)}`, status, urlOf(target));
};

/** Returns the target, or undefined if it is missing, malformed or not an address of HTTP. */
const parse = (location: string | null, base: string): URL | undefined => {
  try {
    const target = new URL(location ?? 'hidden:', base);
    return target.protocol.startsWith('http') ? target : undefined;
  } catch {
    return undefined;
  }
};

/** Without the query and credentials, which may be secret. */
const shown = ({ origin, pathname }: URL): string => `${origin}${pathname}`;

/** Returns the option `url` for which the request would have had this address. */
const urlOf = (target: URL): string => {
  const [base, ...route] = shown(target).split(/\/(?:api\/v1|trpc)\//);
  return route.length > 0 ? `"${base}"` : 'the address of the Pennon server';
};

const redirectError = (
  message: string,
  status: number,
  url = 'the address of the Pennon server',
): SyncError => syncError(`${message}: set "url" to ${url}`, { status });
