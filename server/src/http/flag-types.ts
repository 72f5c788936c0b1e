import type { FastifyInstance } from 'fastify';

import { readFlagTypes, type Language } from '../flag-types/flag-types.ts';
import { matchingTag } from '../resources/entity-tag.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { sendShared } from './compression.ts';
import { API, onlyEnvironment } from './request.ts';

/** Serves the types of flags as source text, for code that uses the providers. */
export const serveFlagTypes = (app: FastifyInstance, services: Services): void => {
  serveLanguage(app, services, 'ts');
  serveLanguage(app, services, 'py');
};

const serveLanguage = (app: FastifyInstance, services: Services, language: Language): void => {
  app.get(
    `${API}/types.${language}`,
    { config: { access: { permission: 'types.read' } } },
    async (request, reply) => {
      const input = { ...onlyEnvironment(request), language };
      const { text, etag } = await readFlagTypes(services, callerOf(request), input);
      const known = matchingTag(request.headers['if-none-match'], etag);
      reply.headers({ etag: known ?? etag, 'cache-control': 'private, no-cache' });
      if (known !== undefined) return reply.code(304).send();
      reply.type('text/plain; charset=utf-8');
      return sendShared(request, reply, text);
    },
  );
};
