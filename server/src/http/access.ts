import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';

import type { Services } from '../services.ts';
import type { Credentials } from '../auth/authenticate.ts';
import type { Caller } from '../auth/caller.ts';
import { requireAllEnvironments, requirePermission } from '../auth/caller.ts';
import type { Permission } from '../auth/permissions.ts';

/**
 * Who may use a route: anyone, whoever the procedures behind it let in, or a key with a permission
 * (`everywhere`: a key for all environments). A route that does not say is refused at start.
 */
export type Access =
  'public' | 'procedures' | { readonly permission: Permission; readonly everywhere?: true };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** Pages of any origin may call this route. */
    cors?: true;
  }
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

/** Authenticates a request by its headers and counts it. */
export const authenticateRequest = (parts: Services, request: FastifyRequest): Caller => {
  const caller = parts.authenticate(credentialsOf(request));
  parts.countRequest(caller, request.ip);
  return caller;
};

const credentialsOf = ({ headers }: FastifyRequest): Credentials => ({
  authorization: headers.authorization,
  apiKey: single(headers['x-api-key']),
  origin: headers.origin,
  onBehalfOf: utf8(single(headers['x-on-behalf-of'])),
});

/** Node reads header bytes as Latin-1; people's names come as UTF-8. */
const utf8 = (header: string | undefined): string | undefined =>
  header === undefined ? undefined : Buffer.from(header, 'latin1').toString();

const single = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(', ') : header;

/** Denies by default: no route without a stated access, no request without what it states. */
export const guardRoutes = (app: FastifyInstance, parts: Services): readonly GuardedRoute[] => {
  const routes: GuardedRoute[] = [];
  app.decorateRequest('caller', undefined);
  app.addHook('onRoute', route => {
    const access = requireAccess(route);
    for (const method of [route.method].flat()) routes.push({ method, url: route.url, access });
  });
  app.addHook('onRequest', async request => {
    const access = request.routeOptions.config.access;
    if (request.is404 || access === 'public' || access === 'procedures') return;
    const caller = authenticateRequest(parts, request);
    if (access === undefined) throw new Error('a route without access was let through');
    requirePermission(caller, access.permission);
    if (access.everywhere === true)
      requireAllEnvironments(caller, request.routeOptions.url ?? 'this');
    request.caller = caller;
  });
  // A body may come late: what was allowed when it began may be revoked by now.
  app.addHook('preHandler', async request => {
    if (request.caller !== undefined && request.body !== undefined)
      request.caller = parts.authenticate(credentialsOf(request));
  });
  return routes;
};

export type GuardedRoute = {
  readonly method: string;
  readonly url: string;
  readonly access: Access;
};

const requireAccess = (route: RouteOptions): Access => {
  if (route.config?.access !== undefined) return route.config.access;
  throw new Error(`route ${String(route.method)} ${route.url} states no access`);
};

/** The caller of a route that takes a permission. */
export const callerOf = (request: FastifyRequest): Caller => {
  if (request.caller === undefined) throw new Error('the route takes no permission');
  return request.caller;
};
