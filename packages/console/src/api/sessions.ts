import { ApiError, isSignedOut } from './errors.ts';

/** The server accepts a cookie only with this header, which no page of another origin can send. */
export const CONSOLE_HEADER = { 'x-pennon-console': '1' };

export const ROLES = ['viewer', 'editor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** A role in one environment, or in all of them (`*`). */
export type Grant = { readonly environment: string; readonly role: string };

/** The person, or the key, that is signed in. */
export type Session = {
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly grants: readonly Grant[];
};

export type Credentials =
  { readonly key: string } | { readonly email: string; readonly password: string };

/** How people can sign in at this server. */
export type SignInMethods = {
  readonly passwords: boolean;
  /** The name of the provider of OpenID Connect, or null if there is none. */
  readonly provider: string | null;
};

/** Who an invitation is for. The name is null if it makes a new person. */
export type Invitation = { readonly email: string; readonly name: string | null };

/** What a person chooses who uses an invitation. */
export type Join = {
  readonly token: string;
  /** Only for a new person. */
  readonly name?: string;
  readonly password: string;
};

export type Sessions = {
  /** Returns the current session, or null if there is none. */
  readonly read: () => Promise<Session | null>;
  readonly methods: () => Promise<SignInMethods>;
  readonly signIn: (credentials: Credentials) => Promise<void>;
  /** Leaves the page for that of the provider, which opens `to` afterwards. */
  readonly signInWithProvider: (to: string) => void;
  /** Returns who the invitation with a token is for. */
  readonly invitation: (token: string) => Promise<Invitation>;
  readonly join: (join: Join) => Promise<void>;
  readonly signOut: () => Promise<void>;
};

/** Marks a browser that has signed in. Without it, a first visit would begin with a request that must fail. */
const MARK = 'pennon-signed-in';

/** Creates the client of the routes below `/auth`. */
export const createSessions = (
  basePath: string,
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>,
): Sessions => {
  const send = async (method: string, path: string, body?: object): Promise<Response> => {
    const response = await fetch(`${basePath}auth/${path}`, {
      method,
      headers: { ...CONSOLE_HEADER, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new ApiError(await messageOf(response), response.status);
    return response;
  };
  return {
    read: async () => {
      if (storage.getItem(MARK) === null) return null;
      try {
        return toSession(await (await send('GET', 'me')).json());
      } catch (error) {
        if (!isSignedOut(error)) throw error;
        storage.removeItem(MARK);
        return null;
      }
    },
    methods: async () => toMethods(await (await send('GET', 'methods')).json()),
    signIn: async credentials => {
      await send('POST', 'session', credentials);
      storage.setItem(MARK, '');
    },
    signInWithProvider: to => {
      storage.setItem(MARK, '');
      location.assign(`${basePath}auth/oidc/start?to=${encodeURIComponent(to)}`);
    },
    invitation: async token =>
      toInvitation(await (await send('POST', 'invitation', { token })).json()),
    join: async join => {
      await send('POST', 'join', join);
      storage.setItem(MARK, '');
    },
    signOut: async () => {
      await send('DELETE', 'session');
      storage.removeItem(MARK);
    },
  };
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const messageOf = async (response: Response): Promise<string> => {
  const body: unknown = await response.json().catch(() => undefined);
  const error = isObject(body) ? body['error'] : undefined;
  const message = isObject(error) ? error['message'] : undefined;
  return typeof message === 'string' ? message : `${response.status} ${response.statusText}`;
};

const toMethods = (body: unknown): SignInMethods => {
  const { passwords, oidc } = isObject(body) ? body : {};
  return { passwords: passwords === true, provider: isObject(oidc) ? String(oidc['name']) : null };
};

const toInvitation = (body: unknown): Invitation => {
  const { email, name } = isObject(body) ? body : {};
  return { email: String(email), name: typeof name === 'string' ? name : null };
};

const toSession = (body: unknown): Session => {
  const { kind, id, name, grants } = isObject(body) ? body : {};
  const list: readonly unknown[] = Array.isArray(grants) ? grants : [];
  return {
    kind: String(kind),
    id: String(id),
    name: String(name),
    grants: list.filter(isObject).map(toGrant),
  };
};

const toGrant = (grant: Readonly<Record<string, unknown>>): Grant => ({
  environment: String(grant['environment']),
  role: String(grant['role']),
});

/** Means all environments. */
export const EVERYWHERE = '*';

const rank = (role: string): number => ROLES.findIndex(each => each === role);

/** Whether a session has a role, or a higher one, in an environment. */
export const hasRole = ({ grants }: Session, role: Role, environment: string): boolean =>
  grants.some(
    grant =>
      (grant.environment === environment || grant.environment === EVERYWHERE) &&
      rank(grant.role) >= rank(role),
  );

/** Whether a session is an admin of an environment at least. */
export const isAdminSomewhere = ({ grants }: Session): boolean =>
  grants.some(({ role }) => role === 'admin');
