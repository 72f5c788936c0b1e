import type { FastifyInstance } from 'fastify';

import { environmentOf } from '../auth/caller.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { readFlagSet } from '../flag-set/read-flag-set.ts';
import type { SharedText } from '../flag-set/text.ts';
import { flagdText } from '../flagd/export.ts';
import { changeIdOf, entityTag, matchingTag } from '../resources/entity-tag.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { sendShared } from './compression.ts';
import { API, onlyEnvironment } from './request.ts';
import { isStale, sourceAge } from './source-age.ts';

/** The path that flagd polls. */
export const FLAGD_PATH = '/flagd/v1/flags.json';

/** Serves the whole flag set to providers that evaluate in process, and to flagd. */
export const serveFlagSet = (app: FastifyInstance, services: Services): void => {
  serveDocument(app, services, { path: `${API}/flag-set`, textOf: view => view.text() });
  serveDocument(app, services, { path: FLAGD_PATH, textOf: flagdText });
};

type FlagSetDocument = {
  readonly path: string;
  readonly textOf: (view: FlagSetView) => Promise<SharedText>;
};

const serveDocument = (
  app: FastifyInstance,
  services: Services,
  { path, textOf }: FlagSetDocument,
): void => {
  app.get(path, { config: { access: { permission: 'flagSet.read' } } }, async (request, reply) => {
    const ifNoneMatch = request.headers['if-none-match'];
    const input = { ...onlyEnvironment(request), knownId: changeIdOf(ifNoneMatch) };
    const caller = callerOf(request);
    const live = services.registry.find(environmentOf(caller, input.environment));
    const view = await readFlagSet(services, caller, input);
    const etag = entityTag(view.flagSet.id);
    const known = matchingTag(ifNoneMatch, etag);
    reply.headers({ etag: known ?? etag, 'cache-control': 'private, no-cache' });
    reply.header(...sourceAge(live));
    if (isStale(live)) reply.header('connection', 'close');
    if (known !== undefined) return reply.code(304).send();
    reply.type('application/json; charset=utf-8');
    return sendShared(request, reply, await textOf(view));
  });
};
