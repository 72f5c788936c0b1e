import type { SyncError } from './errors.ts';

type Fetch = typeof globalThis.fetch;

const MAX_REDIRECTS = 5;

type Redirected = {
  readonly fetch: Fetch;
  /** The address of the first request. */
  readonly url: string;
  /** The address of the request that was redirected. */
  readonly current: string;
  readonly init: RequestInit;
  /** How many redirects came before this one. */
  readonly count: number;
};

/** Returns the address that a response redirects to. Throws if that is not within the same origin, or there are too many. */
export const redirectTarget = async (
  response: Response,
  { fetch, url, current, init, count }: Redirected,
): Promise<string> => {
  const isHidden = response.type === 'opaqueredirect';
  const status = isHidden ? 302 : response.status;
  await response.body?.cancel();
  if (count === MAX_REDIRECTS)
    throw redirectError(
      `${shown(new URL(url))} redirects more than ${MAX_REDIRECTS} times`,
      status,
    );
  const location = isHidden
    ? await followWithoutCredentials(fetch, current, init)
    : response.headers.get('location');
  return targetOf(current, location, status);
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
  const target = location === null ? undefined : parse(location, url);
  if (target === undefined)
    throw redirectError(
      `${shown(from)} redirects to an address that is missing, hidden or not HTTP`,
      status,
    );
  if (target.origin === from.origin) return withoutCredentials(target).href;
  throw redirectError(`${shown(from)} redirects to ${shown(target)}`, status, urlOf(target));
};

/** Returns the target, or undefined if it is malformed or not an address of HTTP. */
const parse = (location: string, base: string): URL | undefined => {
  try {
    const target = new URL(location, base);
    return target.protocol.startsWith('http') ? target : undefined;
  } catch {
    return undefined;
  }
};

/** `fetch` refuses an address with credentials, and its error repeats them. */
const withoutCredentials = (target: URL): URL =>
  Object.assign(target, { username: '', password: '' });

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
): SyncError => Object.assign(new Error(`${message}: set "url" to ${url}`), { status });
