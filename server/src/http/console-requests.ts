import type { IncomingMessage } from 'node:http';

import { parseCookie, stringifySetCookie } from 'cookie';

import { PennonError } from '../errors.ts';
import type { Services } from '../services.ts';

/** What requests of the console's own pages have: the cookie of a session, and the proof that they are its own. */

/** Browsers keep a cookie with this prefix only for one host, over HTTPS. */
const SECURE_COOKIE = '__Host-pennon';
const INSECURE_COOKIE = 'pennon';
const OWN_PAGE_HEADER = 'x-pennon-console';

const cookieName = ({ signIn }: Pick<Services, 'signIn'>): string =>
  signIn.allowsInsecureCookies ? INSECURE_COOKIE : SECURE_COOKIE;

/** Returns the token of the session that a request belongs to. */
export const sessionToken = (
  services: Pick<Services, 'signIn'>,
  { headers: { cookie } }: IncomingMessage,
): string | undefined =>
  cookie === undefined ? undefined : parseCookie(cookie)[cookieName(services)];

/** Returns the header `Set-Cookie` that stores the token of a session, or removes it. */
export const sessionCookie = (
  services: Pick<Services, 'signIn'>,
  token: string,
  maxAgeSeconds: number,
): string =>
  stringifySetCookie({
    name: cookieName(services),
    value: token,
    maxAge: maxAgeSeconds,
    path: '/',
    httpOnly: true,
    secure: !services.signIn.allowsInsecureCookies,
    sameSite: 'lax',
  });

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

/** The hosts to which browsers send secure cookies over plain HTTP. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Throws FORBIDDEN if the browser would not keep the cookie. */
export const requireStorableCookie = (
  { signIn }: Pick<Services, 'signIn'>,
  { headers: { origin = '' } }: IncomingMessage,
): void => {
  if (signIn.allowsInsecureCookies || !URL.canParse(origin)) return;
  const { protocol, hostname } = new URL(origin);
  if (protocol !== 'http:' || LOOPBACK.test(hostname)) return;
  throw new PennonError(
    'FORBIDDEN',
    'browsers keep the cookie of a session over HTTPS only: open this page with https://, or start the server with PENNON_INSECURE_COOKIES=1',
  );
};
