import {
  allowInsecureRequests,
  authorizationCodeGrant,
  AuthorizationResponseError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  ClientSecretPost,
  discovery,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type ClientAuth,
  type Configuration,
} from 'openid-client';

import type { Clock } from '../clock.ts';
import type { OidcSettings } from '../oidc-settings.ts';
import type { Attempt } from './attempt.ts';
import { identityOf, isComplete, type Claims, type Identity } from './identity.ts';

/** The secrets of an attempt. */
type Checks = Pick<Attempt, 'state' | 'nonce' | 'codeVerifier'>;

/** The provider of OpenID Connect that people sign in with. */
export type OidcProvider = {
  readonly settings: OidcSettings;
  /** Returns the page of the provider to sign in, and what the end of it is checked against. */
  begin(): Promise<{ readonly url: URL; readonly checks: Checks }>;
  /** Exchanges what the provider has sent with the browser. Throws if it does not pass the checks. */
  finish(callback: URL, checks: Checks): Promise<Identity>;
};

/** The path to which the provider sends browsers back, below the address of this server. */
export const CALLBACK_PATH = '/auth/oidc/callback';

const TIMEOUT_SECONDS = 10;
/** How long the endpoints of the provider are remembered. */
const DISCOVERED_MS = 3_600_000;

/** Sends nothing before the first sign-in, so a provider that is away does not affect the start. */
export const createOidcProvider = (settings: OidcSettings, clock: Clock): OidcProvider => {
  const configure = rememberFor(DISCOVERED_MS, clock, () => discover(settings));
  return {
    settings,
    async begin() {
      const config = await configure();
      const checks = {
        state: randomState(),
        nonce: randomNonce(),
        codeVerifier: randomPKCECodeVerifier(),
      };
      const url = buildAuthorizationUrl(config, {
        redirect_uri: settings.url + CALLBACK_PATH,
        scope: settings.scopes,
        state: checks.state,
        nonce: checks.nonce,
        code_challenge: await calculatePKCECodeChallenge(checks.codeVerifier),
        code_challenge_method: 'S256',
      });
      return { url, checks };
    },
    finish: async (callback, checks) => exchange(await configure(), callback, checks, settings),
  };
};

/** Whether an error is a response of the provider that ends a sign-in, as when a person cancels it. */
export const isRefusal = (error: unknown): boolean => error instanceof AuthorizationResponseError;

const discover = (settings: OidcSettings): Promise<Configuration> => {
  const issuer = new URL(settings.issuer);
  return discovery(issuer, settings.clientId, undefined, clientAuthOf(settings), {
    timeout: TIMEOUT_SECONDS,
    execute: issuer.protocol === 'http:' ? [allowInsecureRequests] : [],
  });
};

/** Returns how to send the client secret: as the provider supports it, by default in the header. */
const clientAuthOf = ({ clientSecret }: OidcSettings): ClientAuth => {
  if (clientSecret === undefined) return None();
  const inHeader = ClientSecretBasic(clientSecret);
  const inBody = ClientSecretPost(clientSecret);
  return (server, client, body, headers) => {
    const supported = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const send = supported.includes('client_secret_basic') ? inHeader : inBody;
    send(server, client, body, headers);
  };
};

const exchange = async (
  config: Configuration,
  callback: URL,
  { state, nonce, codeVerifier }: Checks,
  { groupsClaim }: OidcSettings,
): Promise<Identity> => {
  const tokens = await authorizationCodeGrant(config, callback, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: codeVerifier,
  });
  const claims = tokens.claims();
  if (claims === undefined) throw new Error('the provider has sent no ID token');
  const sources: Claims[] = [claims];
  const hasUserInfo = config.serverMetadata().userinfo_endpoint !== undefined;
  if (hasUserInfo && !isComplete(claims, groupsClaim))
    sources.push(await fetchUserInfo(config, tokens.access_token, claims.sub));
  const subject = { issuer: new URL(claims.iss).href, sub: claims.sub };
  return identityOf(subject, sources, groupsClaim);
};

/** Returns a function whose result is remembered for a time. A failure is not remembered. */
const rememberFor = <Value>(
  ms: number,
  clock: Clock,
  load: () => Promise<Value>,
): (() => Promise<Value>) => {
  let known: { readonly value: Promise<Value>; readonly until: number } | undefined;
  return () => {
    if (known !== undefined && clock.monotonic() < known.until) return known.value;
    const value = load();
    const loaded = { value, until: clock.monotonic() + ms };
    known = loaded;
    value.catch(() => {
      if (known === loaded) known = undefined;
    });
    return value;
  };
};
