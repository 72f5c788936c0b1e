import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Provider, type Adapter, type AdapterPayload, type Configuration } from 'oidc-provider';

import type { OidcSettings } from '../../src/oidc-settings.ts';

/** Claims of one user, by their names. The id of the user is the claim `sub`. */
export type TestUser = Readonly<Record<string, unknown>> & { readonly sub: string };

/** A real provider of OpenID Connect on the loopback interface. It signs users in as soon as they open its page. */
export type TestProvider = {
  readonly issuer: string;
  readonly port: number;
  /** The settings of a server at `url`. */
  settings(fields?: Partial<OidcSettings>): OidcSettings;
  /** Signs a user in from now on. Undefined refuses to. */
  setUser(user: TestUser | undefined): void;
  /** Does what a browser does: follows the redirects until the provider sends it back. Returns that address. */
  visit(address: string): Promise<URL>;
  close(): Promise<void>;
};

export const CLIENT_ID = 'pennon';
export const CLIENT_SECRET = 'client-secret-0123456789';

type ProviderSetup = {
  /** Where the server is that people sign in to. */
  readonly url?: string;
  /** A free one if it is undefined. */
  readonly port?: number;
};

/** Generated once, because that takes long. */
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });

export const startProvider = async ({
  url = 'https://flags.example.com',
  port: requestedPort = 0,
}: ProviderSetup = {}): Promise<TestProvider> => {
  let user: TestUser | undefined;
  const users = new Map<string, TestUser>();
  const callback = `${url}/auth/oidc/callback`;
  const http = createServer((request, response) => void handle(request, response));
  await new Promise<void>(resolve => {
    http.listen(requestedPort, '127.0.0.1', resolve);
  });
  const { port } = http.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, configurationOf(callback, users));
  const protocol = provider.callback();

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url?.startsWith('/interaction/') !== true) return protocol(request, response);
    const result =
      user === undefined
        ? { error: 'access_denied', error_description: 'the user has cancelled' }
        : { login: { accountId: user.sub, remember: false } };
    await provider.interactionFinished(request, response, result, {
      mergeWithLastSubmission: false,
    });
  };

  return {
    issuer,
    port,
    settings: fields => ({
      issuer: `${issuer}/`,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      scopes: 'openid profile email groups',
      groupsClaim: 'groups',
      name: 'Example',
      url,
      ...fields,
    }),
    setUser(next) {
      user = next;
      if (next !== undefined) users.set(next.sub, next);
    },
    visit: address => follow(address, callback),
    async close() {
      http.closeAllConnections();
      await new Promise(resolve => {
        http.close(resolve);
      });
    },
  };
};

const configurationOf = (
  callback: string,
  users: ReadonlyMap<string, TestUser>,
): Configuration => ({
  clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [callback] }],
  claims: {
    openid: ['sub'],
    profile: ['name'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
  },
  pkce: { required: () => true },
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kty: 'RSA', use: 'sig' }] },
  cookies: { keys: ['a key of the test'] },
  // The defaults print that they should be chosen.
  ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  adapter: createAdapters(),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: async () => ({ ...users.get(sub), sub }),
  }),
  // Consents to everything.
  async loadExistingGrant({ oidc }) {
    const grant = new oidc.provider.Grant({
      clientId: oidc.client?.clientId ?? '',
      accountId: oidc.session?.accountId ?? '',
    });
    grant.addOIDCScope('openid profile email groups');
    await grant.save();
    return grant;
  },
});

/** Stores in memory. The one of the library prints that it is not for production. */
const createAdapters = (): ((model: string) => Adapter) => {
  const all = new Map<string, AdapterPayload>();
  return model => {
    const keyOf = (id: string): string => `${model} ${id}`;
    const findBy = async (matches: (payload: AdapterPayload) => boolean) =>
      [...all].find(([key, payload]) => key.startsWith(`${model} `) && matches(payload))?.[1];
    return {
      async upsert(id, payload) {
        all.set(keyOf(id), payload);
      },
      find: async id => all.get(keyOf(id)),
      findByUid: uid => findBy(payload => payload.uid === uid),
      findByUserCode: code => findBy(payload => payload.userCode === code),
      async consume(id) {
        const payload = all.get(keyOf(id));
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1_000);
      },
      async destroy(id) {
        all.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const [key, payload] of all) if (payload.grantId === grantId) all.delete(key);
      },
    };
  };
};

const follow = async (address: string, until: string): Promise<URL> => {
  const cookies = new Map<string, string>();
  let url = address;
  while (!url.startsWith(until)) {
    const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    url = new URL(location, url).href;
  }
  return new URL(url);
};
