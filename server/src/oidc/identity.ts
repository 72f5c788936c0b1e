import { Email, LIMITS } from '@pennon/schema';

import type { Subject } from '../store/store.ts';

/** Who a person is, as their provider states it. */
export type Identity = {
  readonly subject: Subject;
  /** In lower case. Undefined unless the provider has verified it. */
  readonly email: string | undefined;
  readonly name: string;
  readonly groups: readonly string[];
};

/** The claims of an ID token, or those of the UserInfo endpoint. */
export type Claims = Readonly<Record<string, unknown>>;

/** Returns the first value that is in one of several sources of claims. */
const firstOf = <Value>(
  sources: readonly Claims[],
  read: (claims: Claims) => Value | undefined,
): Value | undefined => {
  for (const claims of sources) {
    const value = read(claims);
    if (value !== undefined) return value;
  }
  return undefined;
};

/** Returns an identity by its claims, those of the first source before those of the others. */
export const identityOf = (
  subject: Subject,
  sources: readonly Claims[],
  groupsClaim: string,
): Identity => {
  const email = firstOf(sources, verifiedEmail);
  return {
    subject,
    email,
    name: firstOf(sources, nameIn) ?? lineOf(email ?? subject.sub),
    groups: firstOf(sources, claims => groupsIn(claims[groupsClaim])) ?? [],
  };
};

/** Whether an ID token has everything that an identity consists of, so that the UserInfo endpoint is not needed. */
export const isComplete = (claims: Claims, groupsClaim: string): boolean =>
  verifiedEmail(claims) !== undefined &&
  nameIn(claims) !== undefined &&
  groupsIn(claims[groupsClaim]) !== undefined;

/** Some providers send booleans as text. */
const verifiedEmail = ({ email, email_verified: isVerified }: Claims): string | undefined =>
  isVerified === true || isVerified === 'true' ? Email.safeParse(email).data : undefined;

const nameIn = ({ name, preferred_username: username }: Claims): string | undefined => {
  for (const text of [name, username])
    if (typeof text === 'string' && lineOf(text) !== '') return lineOf(text);
  return undefined;
};

/** Returns a text without line breaks and other invisible characters, as names of people are. */
const lineOf = (text: string): string =>
  Array.from(text.replaceAll(/\p{C}+/gu, ' ').trim())
    .slice(0, LIMITS.nameLength)
    .join('')
    .trim();

const groupsIn = (claim: unknown): readonly string[] | undefined => {
  if (typeof claim === 'string') return [claim];
  if (!Array.isArray(claim)) return undefined;
  const groups: readonly unknown[] = claim;
  return groups.filter(each => typeof each === 'string');
};
