import type { FastifyInstance } from 'fastify';

import { environmentOf } from '../auth/caller.ts';
import { readFlagSet } from '../flag-set/read-flag-set.ts';
import { changeIdOf, entityTag, matchingTag } from '../resources/entity-tag.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { sendShared } from './compression.ts';
import { API, onlyEnvironment } from './request.ts';
import { isStale, sourceAge } from './source-age.ts';

/** Serves the whole flag set to providers that evaluate in process. */
export const serveFlagSet = (app: FastifyInstance, services: Services): void => {
  app.get(
    `${API}/flag-set`,
    { config: { access: { permission: 'flagSet.read' } } },
    async (request, reply) => {
      const ifNoneMatch = request.headers['if-none-match'];
      const input = { ...onlyEnvironment(request), knownId: changeIdOf(ifNoneMatch) };
      const caller = callerOf(request);
      const live = services.registry.find(environmentOf(caller, input.environment));
      const { flagSet, text } = await readFlagSet(services, caller, input);
      const etag = entityTag(flagSet.id);
      const known = matchingTag(ifNoneMatch, etag);
      reply.headers({ etag: known ?? etag, 'cache-control': 'private, no-cache' });
      reply.header(...sourceAge(live));
      if (isStale(live)) reply.header('connection', 'close');
      if (known !== undefined) return reply.code(304).send();
      reply.type('application/json; charset=utf-8');
      return sendShared(request, reply, await text());
    },
  );
};
