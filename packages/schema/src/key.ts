import { z } from 'zod';

import { ALL_ENVIRONMENTS } from './environment.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Instant, Key, text } from './text.ts';

/** What a key may do; the server's table of permissions says it in full. */
export const Role = z.enum(['admin', 'editor', 'viewer', 'server', 'client']).meta({ id: 'Role' });
export type Role = z.infer<typeof Role>;

/** One environment, or `*` for all. */
export const KeyScope = z.union([z.literal(ALL_ENVIRONMENTS), Key], {
  error: 'must be the key of an environment, or "*" for all',
});

const likeABrowser = 'must be an origin as browsers send it, such as "https://app.example.com"';

/** Scheme, host and port exactly as a browser sends them: any other text would never match one. */
const Origin = z
  .string()
  .max(LIMITS.originLength, `must be at most ${LIMITS.originLength} characters`)
  .regex(/^https?:\/\/[^/?#\s]+$/, { error: likeABrowser, abort: true })
  .refine(origin => URL.canParse(origin) && new URL(origin).origin === origin, likeABrowser);

const keyFields = {
  name: text(1, LIMITS.nameLength),
  role: Role,
  environment: KeyScope,
  expiresAt: Instant.nullish(),
  allowedOrigins: z
    .array(Origin)
    .min(1, 'must name at least one origin')
    .max(LIMITS.allowedOrigins, `must name at most ${LIMITS.allowedOrigins} origins`)
    .nullish(),
};

/** An API key as it is listed: never its secret, never its hash. */
export const ApiKey = strictObject({ id: z.string(), ...keyFields, createdAt: Instant }).meta({
  id: 'ApiKey',
});
export type ApiKey = z.infer<typeof ApiKey>;

/** A key as people ask for it. */
export const ApiKeyCreate = strictObject(keyFields);
export type ApiKeyCreate = z.infer<typeof ApiKeyCreate>;

/** The answer to a creation: the only time that the secret is shown. */
export const ApiKeyCreated = ApiKey.extend({
  secret: z.string().describe('Shown only now. It is kept as a hash.'),
}).meta({ id: 'ApiKeyCreated' });
export type ApiKeyCreated = z.infer<typeof ApiKeyCreated>;
