import { PennonError } from '../errors.ts';
import type { ChangeId } from '../store/change-id.ts';

/** A strong entity tag of a change's id: it never returns after a delete and a new creation. */
export const entityTag = (id: ChangeId): string => `"${id}"`;

/** The id that a single entity tag was made of; any other header names none. */
export const idOfTag = (header: string | undefined): ChangeId =>
  /^(?:W\/)?"([^",]*)"$/.exec(header ?? '')?.[1] ?? '';

const TAG = /^"[\x21\x23-\x7e]*"$/;

/** Tags of an If-Match or If-None-Match header; undefined for `*`. Weak tags are kept as they are. */
const tagsOf = (header: string): readonly string[] | undefined =>
  header.trim() === '*' ? undefined : header.split(',').map(tag => tag.trim());

/** PRECONDITION_FAILED unless the header names what is there now. Weak tags never match. */
export const requireMatch = (
  header: string | undefined,
  current: { etag: string; version: number; what: string },
): void => {
  if (header === undefined) return;
  const tags = tagsOf(header);
  if (tags === undefined || tags.includes(current.etag)) return;
  if (!tags.every(tag => TAG.test(tag.replace(/^W\//, '')))) {
    throw new PennonError(
      'BAD_REQUEST',
      'If-Match must be "*" or quoted entity tags such as "abc"',
    );
  }
  throw new PennonError(
    'PRECONDITION_FAILED',
    `${current.what} has changed meanwhile: its current version is ${current.version}; read it again`,
    { details: [{ path: 'version', message: String(current.version) }], etag: current.etag },
  );
};

/** Whether an If-None-Match header names this tag. Compared weakly, as RFC 9110 asks. */
export const matchesNone = (header: string | undefined, etag: string): boolean => {
  if (header === undefined) return false;
  const tags = tagsOf(header);
  return tags === undefined || tags.some(tag => tag.replace(/^W\//, '') === etag);
};
