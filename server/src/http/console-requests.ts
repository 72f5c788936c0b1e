import type { IncomingMessage } from 'node:http';

import { parseCookie, stringifySetCookie } from 'cookie';

import { isLoopback } from '../addresses.ts';
import { PennonError } from '../errors.ts';
import type { Services } from '../services.ts';

/** What requests of the console's own pages have: the cookie of a session, and the proof that they are its own. */

/** Browsers keep a cookie with this prefix only for one host, over HTTPS. */
const SECURE_PREFIX = '__Host-';
/** The cookie of a session. */
const SESSION = 'pennon';
/** The cookie of a sign-in that has begun at a provider. */
const ATTEMPT = 'pennon-oidc';
const OWN_PAGE_HEADER = 'x-pennon-console';

type Cookie = typeof SESSION | typeof ATTEMPT;
type CookieServices = Pick<Services, 'signIn'>;

const nameOf = ({ signIn }: CookieServices, cookie: Cookie): string =>
  signIn.allowsInsecureCookies ? cookie : SECURE_PREFIX + cookie;

const readCookie = (
  services: CookieServices,
  cookie: Cookie,
  { headers }: IncomingMessage,
): string | undefined =>
  headers.cookie === undefined ? undefined : parseCookie(headers.cookie)[nameOf(services, cookie)];

/** Returns the header `Set-Cookie` that stores a value, or removes it. */
const writeCookie = (
  services: CookieServices,
  cookie: Cookie,
  value: string,
  maxAgeSeconds: number,
): string =>
  stringifySetCookie({
    name: nameOf(services, cookie),
    value,
    maxAge: maxAgeSeconds,
    path: '/',
    httpOnly: true,
    secure: !services.signIn.allowsInsecureCookies,
    sameSite: 'lax',
  });

/** Returns the token of the session that a request belongs to. */
export const sessionToken = (
  services: CookieServices,
  request: IncomingMessage,
): string | undefined => readCookie(services, SESSION, request);

/** Returns the header `Set-Cookie` that stores the token of a session, or removes it. */
export const sessionCookie = (
  services: CookieServices,
  token: string,
  maxAgeSeconds: number,
): string => writeCookie(services, SESSION, token, maxAgeSeconds);

/** Returns the sealed sign-in that has begun in the browser of a request. */
export const sealedAttempt = (
  services: CookieServices,
  request: IncomingMessage,
): string | undefined => readCookie(services, ATTEMPT, request);

/** Returns the header `Set-Cookie` that stores a sealed sign-in, or removes it. */
export const attemptCookie = (
  services: CookieServices,
  sealed: string,
  maxAgeSeconds: number,
): string => writeCookie(services, ATTEMPT, sealed, maxAgeSeconds);

/**
 * Throws FORBIDDEN unless a page of this server has sent the request. A cookie alone does not show that: browsers send
 * it with requests of pages at other ports of the same host too.
 */
export const requireOwnPage = ({ headers }: IncomingMessage): void => {
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined ? hasOwnOrigin(headers) : site === 'same-origin';
  if (isOwn && headers[OWN_PAGE_HEADER] === '1') return;
  throw new PennonError(
    'FORBIDDEN',
    'only pages of this server may send this: programs use a key in the header "Authorization" and the routes below /api/v1',
  );
};

/** Browsers leave out Sec-Fetch-Site over plain HTTP. */
const hasOwnOrigin = ({ origin, host }: IncomingMessage['headers']): boolean =>
  origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;

/** Throws FORBIDDEN if the browser would not keep the cookie. */
export const requireStorableCookie = (
  { signIn }: CookieServices,
  { headers: { origin = '' } }: IncomingMessage,
): void => {
  if (signIn.allowsInsecureCookies || !URL.canParse(origin)) return;
  const { protocol, hostname } = new URL(origin);
  if (protocol !== 'http:' || isLoopback(hostname)) return;
  throw new PennonError(
    'FORBIDDEN',
    'browsers keep the cookie of a session over HTTPS only: open this page with https://, or start the server with PENNON_INSECURE_COOKIES=1',
  );
};
