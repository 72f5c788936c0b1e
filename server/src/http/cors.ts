import type { FastifyInstance, FastifyReply } from 'fastify';

/** Evaluation is for pages of any origin, without credentials; nothing else sends CORS headers. */
const ANY_ORIGIN = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'ETag, Retry-After',
};
const PREFLIGHT = {
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers':
    'authorization, x-api-key, content-type, if-none-match, last-event-id',
  'access-control-max-age': '86400',
};

/** Sends CORS headers on routes that say so, errors included, and answers their preflights. */
export const allowOrigins = (app: FastifyInstance): void => {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.cors === true) reply.headers(ANY_ORIGIN);
  });
  app.addHook('onRoute', route => {
    if (route.config?.cors !== true || route.method === 'OPTIONS') return;
    app.options(route.url, { config: { access: 'public', cors: true } }, answerPreflight);
  });
};

const answerPreflight = async (_: unknown, reply: FastifyReply) =>
  reply.headers(PREFLIGHT).code(204).send();
