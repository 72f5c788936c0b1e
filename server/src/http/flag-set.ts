import type { FastifyInstance } from 'fastify';

import { entityTag, changeIdOf, matchesNone } from '../resources/entity-tag.ts';
import { environmentOf } from '../auth/caller.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { API, onlyEnvironment } from './request.ts';

/** The whole flag set, for providers that evaluate by themselves. */
export const serveFlagSet = (app: FastifyInstance, { registry }: Services): void => {
  app.get(
    `${API}/flag-set`,
    { config: { access: { permission: 'flagSet.read' } } },
    async (request, reply) => {
      const environment = environmentOf(callerOf(request), onlyEnvironment(request).environment);
      const live = registry.find(environment);
      const known = request.headers['if-none-match'];
      await live.replica.waitForRevision(changeIdOf(known));
      const { flagSet, json } = live.view();
      const etag = entityTag(flagSet.id);
      reply.headers({ etag, 'cache-control': 'private, no-cache' });
      if (matchesNone(known, etag)) return reply.code(304).send();
      return reply.type('application/json; charset=utf-8').send(json());
    },
  );
};
