import type { FastifyInstance, FastifyReply } from 'fastify';

import { SOURCE_AGE } from './source-age.ts';

/** Pages of any origin may evaluate flags, without credentials. Other routes send no CORS headers. */
export const ANY_ORIGIN = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': `ETag, Retry-After, ${SOURCE_AGE}`,
};
const PREFLIGHT = {
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers':
    'authorization, x-api-key, content-type, if-none-match, last-event-id',
  'access-control-max-age': '86400',
};

/** The preflight of a server that waits for its store. Browsers do not keep it, because the server has no routes yet. */
export const STARTUP_PREFLIGHT = { ...PREFLIGHT, 'access-control-max-age': '0' };

/** Adds CORS headers and a preflight route to routes with `cors: true`. Errors have the headers too. */
export const addCors = (app: FastifyInstance): void => {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.cors === true) reply.headers(ANY_ORIGIN);
  });
  app.addHook('onRoute', route => {
    if (route.config?.cors !== true || route.method === 'OPTIONS') return;
    app.options(route.url, { config: { access: 'public', cors: true } }, sendPreflight);
  });
};

const sendPreflight = async (_: unknown, reply: FastifyReply) =>
  reply.headers(PREFLIGHT).code(204).send();
