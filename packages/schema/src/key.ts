import { z } from 'zod';

import { ALL_ENVIRONMENTS } from './environment.ts';
import { LIMITS } from './limits.ts';
import { oneOf } from './suggest.ts';
import { strictObject } from './strict-object.ts';
import { distinct, Instant, Key, NameInput, text } from './text.ts';

/** The role of an API key. The server's permission table lists the procedures that each may call. */
export const Role = oneOf(['admin', 'editor', 'viewer', 'server', 'client'], {
  sdk: 'server',
  backend: 'server',
  browser: 'client',
  frontend: 'client',
  reader: 'viewer',
  writer: 'editor',
  owner: 'admin',
}).meta({ id: 'Role' });
export type Role = z.infer<typeof Role>;

/** The environment that an API key can access, or `*` for all. */
export const KeyScope = z.union([z.literal(ALL_ENVIRONMENTS), Key], {
  error: 'must be the key of an environment, or "*" for all environments',
});

const originMessage = 'must be an origin as browsers send it, such as "https://app.example.com"';

/** Scheme, host and port exactly as a browser sends them. Any other spelling would never match. */
const Origin = z
  .string()
  .max(LIMITS.originLength, `must be at most ${LIMITS.originLength} characters`)
  .regex(/^https?:\/\/[^/?#\s]+$/, { error: originMessage, abort: true })
  .refine(origin => URL.canParse(origin) && new URL(origin).origin === origin, originMessage);

const allowedOrigins = z
  .array(Origin)
  .min(1, 'must name at least one origin')
  .max(LIMITS.allowedOrigins, `must name at most ${LIMITS.allowedOrigins} origins`);

const keyFields = {
  name: text(1, LIMITS.nameLength),
  role: Role,
  environment: KeyScope,
  expiresAt: Instant.nullish(),
  allowedOrigins: allowedOrigins.nullish(),
  exposeOnEvaluate: z
    .boolean()
    .optional()
    .describe(
      'Whether each evaluation of a single flag is an exposure to the experiment whose rule has served it. For clients that send no events, such as those of OFREP.',
    ),
};

/** The id of an API key: one URL path segment that needs no encoding. */
export const KeyId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" and "-"');

/** An API key as the API returns it, without secret or hash. */
export const ApiKey = strictObject({
  id: KeyId,
  ...keyFields,
  person: KeyId.optional().describe('Whose personal token it is.'),
  createdAt: Instant,
}).meta({ id: 'ApiKey' });
export type ApiKey = z.infer<typeof ApiKey>;

/** The body of a request that creates an API key. */
export const ApiKeyCreate = strictObject({
  ...keyFields,
  name: NameInput,
  allowedOrigins: allowedOrigins.refine(...distinct('origin')).nullish(),
});
export type ApiKeyCreate = z.infer<typeof ApiKeyCreate>;

/** The response to the creation of an API key, the only one that includes the secret. */
export const ApiKeyCreated = ApiKey.extend({
  secret: z.string().describe('Returned only here. The server stores a hash of it.'),
}).meta({ id: 'ApiKeyCreated' });
export type ApiKeyCreated = z.infer<typeof ApiKeyCreated>;
