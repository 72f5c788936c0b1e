import type { ApiKey, ApiKeyCreated, PersonRole } from '@pennon/schema';

import { keyCreated, keyDeleted, recordOf, toApiKey, validateKey } from '../api-keys/api-keys.ts';
import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import { requirePerson } from './account.ts';
import { requireEnvironmentsOf, type PeopleServices } from './records.ts';

export type TokenCreate = {
  readonly name: string;
  readonly role: PersonRole;
  readonly environment: string;
  readonly expiresAt?: string | null | undefined;
};

/** How many tokens one person has. */
const MAX_TOKENS = 50;
const ID_LENGTH = 12;
const SECRET_LENGTH = 40;

/** Creates a personal token of the person who has signed in. It is worth at most what they may do. */
export const createToken = (
  { control, clock, random }: PeopleServices,
  caller: Caller,
  input: TokenCreate,
): Promise<ApiKeyCreated> => {
  const person = requirePerson(caller);
  const now = clock.now();
  validateKey(input, now);
  const secret = `pennon_personal_${random(SECRET_LENGTH)}`;
  const token = { ...recordOf(input, { id: random(ID_LENGTH), secret, now }), person };
  return control.write(({ records }) => {
    requireEnvironmentsOf(records, [input]);
    const own = [...records.tokens.values()].filter(({ document }) => document.person === person);
    if (own.length >= MAX_TOKENS) throw tooMany();
    return {
      writes: { tokens: new Map([[token.id, token]]) },
      audit: [auditDraft(caller, now, keyCreated(token))],
      result: () => ({ ...toApiKey(token), secret }),
    };
  });
};

const tooMany = () =>
  new PennonError('CONFLICT', `you have ${MAX_TOKENS} personal tokens: revoke one first`);

/** Returns a page of the tokens of the person who has signed in, oldest first. */
export const listTokens = (
  { control }: PeopleServices,
  caller: Caller,
  query: PageQuery,
): Page<ApiKey> => {
  const person = requirePerson(caller);
  const own = [...control.current().records.tokens.values()]
    .map(({ document }) => toApiKey(document))
    .filter(token => token.person === person);
  const cursors = cursorsFor(cursorSecret(control), ['tokens', person]);
  return pageOf(own, ({ createdAt, id }) => createdAt + id, cursors, query);
};

/** Revokes a token of the person who has signed in. */
export const deleteToken = (
  { control, clock }: PeopleServices,
  caller: Caller,
  id: string,
): Promise<void> => {
  const person = requirePerson(caller);
  return control.write(({ records }) => {
    const token = records.tokens.get(id)?.document;
    if (token?.person !== person)
      throw new PennonError('NOT_FOUND', `you have no personal token "${id}"`);
    return {
      writes: { tokens: new Map([[id, null]]) },
      audit: [auditDraft(caller, clock.now(), keyDeleted(token))],
      result: () => undefined,
    };
  });
};
