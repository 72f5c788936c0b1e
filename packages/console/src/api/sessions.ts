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

export type Sessions = {
  /** Returns the current session, or null if there is none. */
  readonly read: () => Promise<Session | null>;
  readonly signIn: (credentials: Credentials) => Promise<void>;
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
    signIn: async credentials => {
      await send('POST', 'session', credentials);
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
