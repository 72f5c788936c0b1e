import { z } from 'zod';

import { LIMITS } from './limits.ts';
import { KeyId, KeyScope } from './key.ts';
import { oneOf } from './suggest.ts';
import { strictObject } from './strict-object.ts';
import { distinct, Instant, Key, line, text } from './text.ts';

/** The role of a person. Programs have keys, whose roles are more. */
export const PersonRole = oneOf(['admin', 'editor', 'viewer'], {
  reader: 'viewer',
  writer: 'editor',
  owner: 'admin',
}).meta({ id: 'PersonRole' });
export type PersonRole = z.infer<typeof PersonRole>;

/** A role in one environment, or in all of them (`*`). */
export const Grant = strictObject({ environment: KeyScope, role: PersonRole }).meta({
  id: 'Grant',
});
export type Grant = z.infer<typeof Grant>;

const Grants = z.array(Grant).max(LIMITS.grants, `must have at most ${LIMITS.grants} grants`);

const [isDistinct, sameTwice] = distinct('environment');
const GrantsInput = Grants.refine(
  grants => isDistinct(grants.map(({ environment }) => environment)),
  sameTwice,
);

/** An e-mail address, in lower case, so that each person has one. */
export const Email = z
  .string()
  .max(LIMITS.emailLength, `must be at most ${LIMITS.emailLength} characters`)
  .trim()
  .toLowerCase()
  .pipe(z.email('must be an e-mail address such as "ada@example.com"'));

const PersonName = line(1, LIMITS.nameLength);

/** A password in a request. What else it must not be depends on the person. */
export const Password = text(LIMITS.passwordMin, LIMITS.passwordMax);

/** A person who signs in at the console. */
export const Person = strictObject({
  id: KeyId,
  email: z.string().describe('Empty if the provider of OIDC has not verified one.'),
  name: text(1, LIMITS.nameLength),
  state: z.enum(['active', 'disabled']),
  grants: Grants.describe('Their own roles, without those of groups.'),
  hasPassword: z.boolean(),
  issuer: z.string().optional().describe('The provider of OIDC that they sign in with.'),
  claims: z
    .array(z.string())
    .optional()
    .describe(
      'Their groups at the provider, of those that groups here name, since the last sign-in.',
    ),
  createdAt: Instant,
}).meta({ id: 'Person' });
export type Person = z.infer<typeof Person>;

export const PersonPatch = strictObject({
  name: PersonName.optional(),
  state: oneOf(['active', 'disabled']).optional(),
  grants: GrantsInput.optional(),
});
export type PersonPatch = z.infer<typeof PersonPatch>;

const groupFields = {
  key: Key,
  name: PersonName,
  claims: z
    .array(line(1, LIMITS.titleLength))
    .max(LIMITS.grants)
    .describe(
      'Groups at the provider of OIDC: who is in one of them is in this group until the next sign-in.',
    ),
  grants: GrantsInput,
  members: z
    .array(KeyId)
    .max(LIMITS.members)
    .refine(...distinct('person'))
    .describe('Ids of people.'),
};

/** People who have the same roles. */
export const Group = strictObject({ ...groupFields, createdAt: Instant }).meta({ id: 'Group' });
export type Group = z.infer<typeof Group>;

export const GroupCreate = strictObject({
  ...groupFields,
  claims: groupFields.claims.default([]),
  grants: groupFields.grants.default([]),
  members: groupFields.members.default([]),
});
export type GroupCreate = z.infer<typeof GroupCreate>;

export const GroupPatch = strictObject({
  name: groupFields.name.optional(),
  claims: groupFields.claims.optional(),
  grants: groupFields.grants.optional(),
  members: groupFields.members.optional(),
});
export type GroupPatch = z.infer<typeof GroupPatch>;

/** An invitation of a new person, or the reset of the password of one. */
export const Invitation = strictObject({
  id: KeyId,
  email: z.string(),
  grants: Grants,
  person: KeyId.optional().describe('Whose password it resets.'),
  by: z.string().describe('The name of who made it.'),
  expiresAt: Instant,
  createdAt: Instant,
}).meta({ id: 'Invitation' });
export type Invitation = z.infer<typeof Invitation>;

export const InvitationCreate = strictObject({
  email: Email.optional().describe('The address of the person to invite.'),
  grants: GrantsInput.optional().describe('The roles of the new person.'),
  person: KeyId.optional().describe(
    'The person whose password to reset, instead of an invitation.',
  ),
});
export type InvitationCreate = z.infer<typeof InvitationCreate>;

/** The response to the creation of an invitation, the only one with its link. */
export const InvitationCreated = Invitation.extend({
  path: z
    .string()
    .describe('The path of the link to pass on. Its fragment has a secret, returned only here.'),
}).meta({ id: 'InvitationCreated' });
export type InvitationCreated = z.infer<typeof InvitationCreated>;

/** The sign-in of a browser. */
export const Session = strictObject({
  id: KeyId,
  person: KeyId.optional(),
  key: z.string().optional().describe('The id of the key that signed in.'),
  name: z.string().describe('The name of the person or key.'),
  via: z.enum(['key', 'password', 'invitation', 'oidc']),
  isCurrent: z.boolean().describe('Whether it is that of this request.'),
  createdAt: Instant,
  expiresAt: Instant,
}).meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;
