import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { isJsonObject } from '@pennon/schema';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';

import type { Credentials, Visit } from '../auth/authenticate.ts';
import type { Caller } from '../auth/caller.ts';
import {
  limitToPermission,
  requireAllEnvironments,
  requireReach,
  seesOnlyVisible,
} from '../auth/caller.ts';
import type { Permission } from '../auth/permissions.ts';
import { visitorOf } from '../auth/visitor.ts';
import { invalid, PennonError } from '../errors.ts';
import type { Services } from '../services.ts';
import type { Snapshot } from '../store/store.ts';
import { clientAddress } from './client-address.ts';
import { requireOwnPage, sessionToken } from './console-requests.ts';
import { OFREP_API } from './ofrep-errors.ts';
import { recognize } from './strangers.ts';

/**
 * Who may use a route: anyone (`public`), callers that its tRPC procedures accept (`procedures`), tickets of
 * an event stream (`ticket`), pages of the console (`own-page`), those with a session (`session`), or keys with a permission, with `allEnvironments` only keys for all environments. A
 * route without access fails at startup.
 */
export type Access = 'public' | 'procedures' | 'ticket' | 'own-page' | 'session' | RequiredAccess;

export type RequiredAccess = {
  readonly permission: Permission;
  readonly allEnvironments?: true;
  /** The path parameter with the environment. By default it is in the query, if the request names one. */
  readonly environmentIn?: string | undefined;
  /** What suffices in an environment that is only read. */
  readonly readPermission?: Permission | undefined;
  /** A body of plain text has the key in place of a header. The route then authenticates it with `callerInBody`. */
  readonly keyInText?: true;
};

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** Pages of any origin may call this route. */
    cors?: true;
    /** The route compresses its responses itself. */
    compresses?: true;
  }
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

/** Authenticates a request by its headers and counts it against the rate limit. */
export const authenticateRequest = (services: Services, request: IncomingMessage): Caller => {
  const caller = callerFrom(services, request);
  recognize(request.socket);
  services.countRequest(caller);
  return caller;
};

/** Authenticates a request by its key or, if it has none, by the session of the console, and counts it. */
export const authenticateCall = (services: Services, request: IncomingMessage): Caller => {
  const caller = callerOfCall(services, request);
  recognize(request.socket);
  services.countRequest(caller);
  return caller;
};

const callerOfCall = (services: Services, request: IncomingMessage): Caller => {
  const { authorization, 'x-api-key': apiKey } = request.headers;
  const hasKey = authorization !== undefined || apiKey !== undefined;
  if (hasKey || sessionToken(services, request) === undefined) return callerFrom(services, request);
  if (request.method !== 'GET') requireOwnPage(request);
  return requireSession(services, request);
};

/** Returns the caller of the session that a request belongs to. Throws UNAUTHORIZED if there is none. */
const requireSession = (services: Services, request: IncomingMessage): Caller => {
  const token = sessionToken(services, request);
  if (token === undefined) throw new PennonError('UNAUTHORIZED', 'sign in first');
  return withComment(request, services.authenticateSession(token, visitOf(services, request)));
};

/** Returns the caller of the session that a request belongs to, or undefined if there is none. */
export const sessionCaller = (services: Services, request: IncomingMessage): Caller | undefined => {
  try {
    return requireSession(services, request);
  } catch (error) {
    if (error instanceof PennonError && error.code === 'UNAUTHORIZED') return undefined;
    throw error;
  }
};

/** Authenticates a request without counting it. */
export const callerFrom = (services: Services, request: IncomingMessage): Caller => {
  const keys = services.control.current();
  const known = knownCallers.get(request.socket);
  if (known !== undefined && known.keys === keys && isSameCaller(known.headers, request.headers))
    return known.caller;
  const caller = authenticate(services, request);
  if (caller.expiresAt === undefined)
    knownCallers.set(request.socket, { keys, headers: request.headers, caller });
  return caller;
};

/** What a connection's last caller depends on, besides the address of the connection. */
type KnownCaller = {
  readonly keys: Snapshot<'control'>;
  readonly headers: IncomingHttpHeaders;
  readonly caller: Caller;
};

/**
 * The last caller of each connection. Almost all requests of a connection have the same one, and finding it takes as
 * long as an evaluation with all that it needs.
 */
const knownCallers = new WeakMap<Socket, KnownCaller>();

const isSameCaller = (a: IncomingHttpHeaders, b: IncomingHttpHeaders): boolean =>
  a.authorization === b.authorization &&
  a['x-api-key'] === b['x-api-key'] &&
  a.origin === b.origin &&
  a['x-on-behalf-of'] === b['x-on-behalf-of'] &&
  a['x-forwarded-for'] === b['x-forwarded-for'] &&
  a[COMMENT] === b[COMMENT];

const authenticate = (services: Services, request: IncomingMessage): Caller => {
  const visit = visitOf(services, request);
  return withComment(request, services.authenticate({ ...keysIn(request), ...visit }));
};

const withComment = (request: IncomingMessage, caller: Caller): Caller => {
  const comment = changeComment(request);
  return comment === undefined ? caller : { ...caller, comment };
};

export const visitorIn = ({ limits }: Pick<Services, 'limits'>, request: IncomingMessage): string =>
  visitorOf(clientAddress(request, limits.trustedProxies), limits.ipv6Prefix);

export const CHANGE_COMMENT = 'X-Change-Comment';
const COMMENT = 'x-change-comment';
const MAX_COMMENT_LENGTH = 500;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Returns the comment of a change, for the audit log. Throws BAD_REQUEST if it is not valid. */
const changeComment = ({ headers }: IncomingMessage): string | undefined => {
  const header = toSingle(headers[COMMENT]);
  if (header === undefined) return undefined;
  const comment = decodeUtf8(header)?.trim();
  if (comment === undefined) throw invalidComment('must be UTF-8');
  if (Array.from(comment).length > MAX_COMMENT_LENGTH)
    throw invalidComment(`must be at most ${MAX_COMMENT_LENGTH} characters`);
  return comment === '' ? undefined : comment;
};

const invalidComment = (message: string): PennonError =>
  invalid([{ path: CHANGE_COMMENT, message }], 'the header');

/** Node decodes header bytes as Latin-1. Returns undefined when they are not UTF-8. */
const decodeUtf8 = (header: string): string | undefined => {
  try {
    return utf8.decode(Buffer.from(header, 'latin1'));
  } catch {
    return undefined;
  }
};

const keysIn = ({
  headers,
  socket,
}: IncomingMessage): Pick<Credentials, 'authorization' | 'apiKey' | 'connection'> => ({
  authorization: headers.authorization,
  apiKey: toSingle(headers['x-api-key']),
  connection: socket,
});

const visitOf = (services: Pick<Services, 'limits'>, request: IncomingMessage): Visit => ({
  origin: request.headers.origin,
  onBehalfOf: toUtf8(toSingle(request.headers['x-on-behalf-of'])),
  visitor: visitorIn(services, request),
});

/** Node decodes header bytes as Latin-1, but names are sent as UTF-8. */
const toUtf8 = (header: string | undefined): string | undefined =>
  header === undefined ? undefined : Buffer.from(header, 'latin1').toString();

const toSingle = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(', ') : header;

/** Authenticates and counts a request, and checks that its key has access to a route. */
export const admit = (
  services: Services,
  request: IncomingMessage,
  access: RequiredAccess,
  route: string,
): Caller => {
  const caller = limitToAccess(authenticateRequest(services, request), access);
  if (access.allEnvironments === true) requireAllEnvironments(caller, route);
  return caller;
};

/** Returns the caller again after the body was read. A slow one can arrive after a key was revoked. */
export const readmit = (
  services: Services,
  request: IncomingMessage,
  access: RequiredAccess,
): Caller => limitToAccess(callerFrom(services, request), access);

/** A procedure that reads one environment and writes another limits its caller further by itself. */
const limitToAccess = (caller: Caller, access: RequiredAccess): Caller => {
  const limited = limitToPermission(caller, access.permission);
  const { readPermission } = access;
  return readPermission === undefined ? limited : limitToPermission(caller, readPermission);
};

/** The query parameter of the event stream. */
export const TICKET = 'ticket';

/** Authenticates a request by its ticket and counts it against the rate limit of the key. */
const admitWithTicket = (services: Services, request: IncomingMessage, query: unknown): Caller => {
  const ticket = isJsonObject(query) ? query[TICKET] : undefined;
  if (typeof ticket !== 'string') throw ticketMissing();
  const visitor = visitorIn(services, request);
  const caller = services.tickets.redeem(ticket, { origin: request.headers.origin, visitor });
  recognize(request.socket);
  services.countRequest(caller);
  return limitToPermission(caller, 'values.stream');
};

const ticketMissing = (): PennonError =>
  new PennonError(
    'UNAUTHORIZED',
    `a ticket is required: POST ${OFREP_API}/evaluate/flags returns the URL of a stream with one`,
  );

/** Denies by default: checks the access of every route, and returns all routes as they are added. */
export const guardRoutes = (app: FastifyInstance, services: Services): readonly GuardedRoute[] => {
  const routes: GuardedRoute[] = [];
  app.decorateRequest('caller', undefined);
  app.addHook('onRoute', route => {
    const access = requireAccess(route);
    for (const method of [route.method].flat()) routes.push({ method, url: route.url, access });
  });
  app.addHook('onRequest', async request => {
    const { access } = request.routeOptions.config;
    if (request.is404 || access === 'public' || access === 'procedures') return;
    if (access === undefined) throw new Error('this route has no access');
    if (access === 'own-page') return requireOwnPage(request.raw);
    if (typeof access === 'object' && access.keyInText === true && isText(request)) return;
    request.caller = admitTo(services, request, access);
  });
  app.addHook('preHandler', async request => {
    if (request.caller === undefined || request.body === undefined) return;
    const { access } = request.routeOptions.config;
    if (access === 'procedures') request.caller = callerOfCall(services, request.raw);
    else if (typeof access === 'object') request.caller = readmit(services, request.raw, access);
  });
  return routes;
};

const admitWithSession = (services: Services, request: IncomingMessage): Caller => {
  const caller = requireSession(services, request);
  recognize(request.socket);
  services.countRequest(caller);
  return caller;
};

const admitTo = (
  services: Services,
  request: FastifyRequest,
  access: 'ticket' | 'session' | RequiredAccess,
): Caller => {
  if (access === 'ticket') return admitWithTicket(services, request.raw, request.query);
  if (access === 'session') return admitWithSession(services, request.raw);
  const caller = admit(services, request.raw, access, request.routeOptions.url ?? 'this route');
  requireReach(caller, environmentIn(request, access));
  return caller;
};

const environmentIn = (
  { params, query }: FastifyRequest,
  { environmentIn: parameter }: RequiredAccess,
): unknown => {
  const [fields, name] = parameter === undefined ? [query, 'environment'] : [params, parameter];
  return isJsonObject(fields) ? fields[name] : undefined;
};

/** A beacon of a page, which is sent as it is closed and can have no header. */
export const isText = ({ headers }: FastifyRequest): boolean =>
  /^text\/plain\s*(;|$)/i.test(headers['content-type'] ?? '');

/** Authenticates a request by the key in its body, counts it, and requires a permission of a client key. */
export const callerInBody = (
  services: Services,
  { raw }: FastifyRequest,
  { key, permission }: { readonly key: string; readonly permission: Permission },
): Caller => {
  const { origin } = raw.headers;
  const caller = services.authenticate({ apiKey: key, origin, visitor: visitorIn(services, raw) });
  recognize(raw.socket);
  services.countRequest(caller);
  if (seesOnlyVisible(caller)) return limitToPermission(caller, permission);
  throw new PennonError(
    'FORBIDDEN',
    'only a key with role "client" may be sent in the body: send other keys in the header "Authorization: Bearer <key>"',
  );
};

export type GuardedRoute = {
  readonly method: string;
  readonly url: string;
  readonly access: Access;
};

const requireAccess = ({ config, method, url }: RouteOptions): Access => {
  if (config?.access !== undefined) return config.access;
  throw new Error(`route ${String(method)} ${url} has no access`);
};

/** Returns the caller of a route with a permission. */
export const callerOf = ({ caller }: FastifyRequest): Caller => {
  if (caller === undefined) throw new Error('this route has no permission, so it has no caller');
  return caller;
};
