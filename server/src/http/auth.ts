import { strictObject } from '@pennon/schema';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';

import type { Caller } from '../auth/caller.ts';
import { formatInstant, msUntil } from '../clock.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { signInWithKey, signOut, type SignedIn } from '../sessions/sessions.ts';
import { callerOf, sessionCaller, visitorIn } from './access.ts';
import { requireStorableCookie, sessionCookie, sessionToken } from './console-requests.ts';

const PATH = '/auth';
/** The body is read before the caller is known. */
const BODY_BYTES = 4_096;

const NOT_STORED = { 'cache-control': 'no-store' };

const SignIn = strictObject({ key: z.string().min(1).max(512) });

/** Serves signing in and out for the console. */
export const serveAuth = (app: FastifyInstance, services: Services): void => {
  app.post(
    `${PATH}/session`,
    { bodyLimit: BODY_BYTES, config: { access: 'own-page' } },
    async (request, reply) => {
      requireStorableCookie(services, request.raw);
      const { key } = parseOrThrow(SignIn, request.body);
      const visitor = visitorIn(services, request.raw);
      const caller = services.authenticate({ apiKey: key, visitor });
      services.countRequest(caller);
      return startSession(services, reply, await signInWithKey(services, caller));
    },
  );
  app.get(
    `${PATH}/me`,
    { exposeHeadRoute: false, config: { access: 'session' } },
    async (request, reply) => reply.headers(NOT_STORED).send(describe(callerOf(request))),
  );
  app.delete(`${PATH}/session`, { config: { access: 'own-page' } }, async (request, reply) => {
    const token = sessionToken(services, request.raw);
    const caller = sessionCaller(services, request.raw);
    if (token !== undefined && caller !== undefined) await signOut(services, caller, token);
    const cookie = sessionCookie(services, '', 0);
    return reply
      .code(204)
      .headers({ ...NOT_STORED, 'set-cookie': cookie })
      .send();
  });
};

const startSession = (
  services: Services,
  reply: FastifyReply,
  { token, expiresAt }: SignedIn,
): FastifyReply => {
  const seconds = Math.ceil(msUntil(expiresAt, services.clock) / 1_000);
  const cookie = sessionCookie(services, token, seconds);
  return reply
    .code(204)
    .headers({ ...NOT_STORED, 'set-cookie': cookie })
    .send();
};

/** Returns who has signed in, what they may do and until when. */
const describe = ({ actor: { kind, id, name }, grants, expiresAt }: Caller) => ({
  kind,
  id,
  name,
  grants: Array.from(grants, ([environment, role]) => ({ environment, role })),
  expiresAt: expiresAt === undefined ? null : formatInstant(expiresAt),
});
