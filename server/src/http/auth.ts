import { Email, isJsonObject, NameInput, Password, strictObject } from '@pennon/schema';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';

import type { Caller } from '../auth/caller.ts';
import { formatInstant, msUntil } from '../clock.ts';
import { invalid } from '../errors.ts';
import { parseOrThrow } from '../resources/parse.ts';
import type { Services } from '../services.ts';
import { join, readInvitation } from '../people/join.ts';
import { signInWithPassword } from '../people/sign-in.ts';
import { signInWithKey, signOut, type SignedIn } from '../sessions/sessions.ts';
import { callerOf, sessionCaller, visitorIn } from './access.ts';
import { requireStorableCookie, sessionCookie, sessionToken } from './console-requests.ts';

const PATH = '/auth';
/** The body is read before the caller is known. */
const BODY_BYTES = 4_096;

const NOT_STORED = { 'cache-control': 'no-store' };

const KeySignIn = strictObject({ key: z.string().min(1).max(512) });
const PasswordSignIn = strictObject({ email: Email, password: z.string().max(1_000) });

/** Returns what a body signs in with. Throws BAD_REQUEST unless that is either a key or a person. */
const parseCredentials = (body: unknown) => {
  if (!isJsonObject(body)) return parseOrThrow(KeySignIn, body);
  const isKey = 'key' in body;
  const isPerson = 'email' in body || 'password' in body;
  if (isKey && isPerson)
    throw invalid([{ path: 'key', message: 'cannot be combined with "email" or "password"' }]);
  if (!isKey && !isPerson)
    throw invalid([{ path: 'key', message: 'is missing: send it, or "email" and "password"' }]);
  return parseOrThrow(isKey ? KeySignIn : PasswordSignIn, body);
};

const InvitationToken = strictObject({ token: z.string().max(200) });

const Join = strictObject({
  ...InvitationToken.shape,
  name: NameInput.optional(),
  password: Password,
});

/** Serves signing in and out for the console. */
export const serveAuth = (app: FastifyInstance, services: Services): void => {
  app.post(
    `${PATH}/session`,
    { bodyLimit: BODY_BYTES, config: { access: 'own-page' } },
    async (request, reply) => {
      requireStorableCookie(services, request.raw);
      return startSession(services, reply, await signIn(services, request));
    },
  );
  app.post(
    `${PATH}/join`,
    { bodyLimit: BODY_BYTES, config: { access: 'own-page' } },
    async (request, reply) => {
      requireStorableCookie(services, request.raw);
      const input = parseOrThrow(Join, request.body);
      return startSession(services, reply, await join(services, input));
    },
  );
  app.post(
    `${PATH}/invitation`,
    { bodyLimit: BODY_BYTES, config: { access: 'own-page' } },
    async (request, reply) => {
      const { token } = parseOrThrow(InvitationToken, request.body);
      return reply.headers(NOT_STORED).send(readInvitation(services, token));
    },
  );
  app.get(
    `${PATH}/methods`,
    { exposeHeadRoute: false, config: { access: 'public' } },
    async (_, reply) => reply.headers(NOT_STORED).send(methodsOf(services)),
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

/** Returns the ways in which people can sign in here. */
const methodsOf = ({ signIn: { passwords, oidc } }: Services) => ({
  passwords,
  ...(oidc && { oidc: { name: oidc.name } }),
});

const signIn = async (services: Services, { raw, body }: FastifyRequest): Promise<SignedIn> => {
  const visitor = visitorIn(services, raw);
  const input = parseCredentials(body);
  if (!('key' in input)) return signInWithPassword(services, input, visitor);
  const caller = services.authenticate({ apiKey: input.key, visitor });
  services.countRequest(caller);
  return signInWithKey(services, caller);
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
