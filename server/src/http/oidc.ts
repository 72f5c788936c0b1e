import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { msUntil } from '../clock.ts';
import { errorMessage } from '../error-message.ts';
import { ATTEMPT_SECONDS, openAttempt, sealAttempt, type Attempt } from '../oidc/attempt.ts';
import { CALLBACK_PATH, isRefusal, type OidcProvider } from '../oidc/provider.ts';
import { signInWithProvider, type Refusal } from '../people/sign-in-with-provider.ts';
import type { Services } from '../services.ts';
import { attemptCookie, sealedAttempt, sessionCookie } from './console-requests.ts';
import { parameterIn } from './request.ts';

/** Why a sign-in did not succeed. The page to sign in explains it. */
type Problem = Refusal | 'expired' | 'refused' | 'failed';

const START_PATH = '/auth/oidc/start';
/** Longer paths would not fit into a cookie. */
const MAX_TO_LENGTH = 1_500;

/** The address of the callback has a code, which no other page may receive. */
const HEADERS = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' };

/** Serves signing in with the provider of OpenID Connect, if there is one. Both routes are pages that redirect. */
export const serveOidc = (app: FastifyInstance, services: Services): void => {
  const { oidc } = services;
  if (oidc === undefined) return;
  const options = { exposeHeadRoute: false, config: { access: 'public' } } as const;
  app.get(START_PATH, options, async (request, reply) => {
    const to = ownPage(oidc, parameterIn(request.query, 'to'));
    try {
      const { url, checks } = await oidc.begin();
      const sealed = await sealAttempt(services, { ...checks, to });
      return redirect(reply, url.href, [attemptCookie(services, sealed, ATTEMPT_SECONDS)]);
    } catch (error) {
      return redirect(reply, problemPage(oidc, noteFailure(request, error)), []);
    }
  });
  app.get(CALLBACK_PATH, options, async (request, reply) => {
    const { page, cookies } = await finish(services, oidc, request);
    return redirect(reply, page, [...cookies, attemptCookie(services, '', 0)]);
  });
};

const redirect = (reply: FastifyReply, address: string, cookies: readonly string[]): FastifyReply =>
  reply
    .headers({ ...HEADERS, ...(cookies.length > 0 && { 'set-cookie': [...cookies] }) })
    .redirect(address, 302);

/** Returns the address of the page that opens after signing in: the requested one, if it is a page of this server. */
const ownPage = ({ settings: { url } }: OidcProvider, requested: string | undefined): string => {
  const first = `${url}/flags`;
  if (requested === undefined || requested.length > MAX_TO_LENGTH) return first;
  if (!URL.canParse(requested, url)) return first;
  // The whole address is compared and sent: a path alone, such as "//host", can lead elsewhere.
  const { href } = new URL(requested, url);
  return href.startsWith(`${url}/`) && href.length <= MAX_TO_LENGTH + url.length ? href : first;
};

const problemPage = ({ settings: { url } }: OidcProvider, problem: Problem): string =>
  `${url}/sign-in?problem=${problem}`;

/** The page that opens next, and the cookies that the browser receives. */
type Finished = { readonly page: string; readonly cookies: readonly string[] };

const finish = async (
  services: Services,
  oidc: OidcProvider,
  request: FastifyRequest,
): Promise<Finished> => {
  const failed = (problem: Problem) => ({ page: problemPage(oidc, problem), cookies: [] });
  try {
    const attempt = await attemptOf(services, request);
    if (attempt === undefined) return failed('expired');
    const identity = await oidc.finish(callbackAddress(oidc, request), attempt);
    const signedIn = await signInWithProvider(services, identity);
    if (typeof signedIn === 'string') return failed(signedIn);
    const seconds = Math.ceil(msUntil(signedIn.expiresAt, services.clock) / 1_000);
    return { page: attempt.to, cookies: [sessionCookie(services, signedIn.token, seconds)] };
  } catch (error) {
    return failed(noteFailure(request, error));
  }
};

const attemptOf = async (
  services: Services,
  { raw }: FastifyRequest,
): Promise<Attempt | undefined> => {
  const sealed = sealedAttempt(services, raw);
  return sealed === undefined ? undefined : openAttempt(services, sealed);
};

/** Returns the address that the provider has sent the browser to. A proxy can have changed the one of the request. */
const callbackAddress = ({ settings }: OidcProvider, { url }: FastifyRequest): URL => {
  const address = new URL(settings.url + CALLBACK_PATH);
  address.search = url.slice(url.indexOf('?') + 1);
  return address;
};

/** Logs why a sign-in failed, without what the browser or the provider has sent. */
const noteFailure = ({ log }: FastifyRequest, error: unknown): Problem => {
  if (isRefusal(error)) return 'refused';
  const cause = error instanceof Error ? error.cause : undefined;
  const reason = [error, ...(cause instanceof Error ? [cause] : [])].map(errorMessage).join(': ');
  log.warn({ reason }, 'signing in with the provider failed');
  return 'failed';
};
