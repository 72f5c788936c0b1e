import { PennonError } from '../errors.ts';
import type { ChangeId } from '../store/change-id.ts';

/**
 * A strong entity tag derived from the id of a change. Ids are unique, so a resource that is deleted and
 * created again never has a previous tag.
 */
export const entityTag = (id: ChangeId): string => `"${id}"`;

/** The change id in a header that holds exactly one entity tag, otherwise the empty string. */
export const changeIdOf = (header: string | undefined): ChangeId =>
  /^(?:W\/)?"([^",]*)"$/.exec(header ?? '')?.[1] ?? '';

const TAG = /^"[\x21\x23-\x7e]*"$/;

/** Tags of an If-Match or If-None-Match header, weak ones with their prefix; undefined for `*`. */
const tagsOf = (header: string): readonly string[] | undefined =>
  header.trim() === '*' ? undefined : header.split(',').map(tag => tag.trim());

const INVALID_TAG =
  'must be "*" or quoted entity tags such as "abc": send the ETag header of a response as it is';

/** Throws PRECONDITION_FAILED unless If-Match has the current tag. Weak tags never match. */
export const requireMatch = (
  header: string | undefined,
  current: { etag: string; version: number; name: string },
): void => {
  if (header === undefined) return;
  const tags = tagsOf(header);
  if (tags === undefined || tags.includes(current.etag)) return;
  if (!tags.every(tag => TAG.test(tag.replace(/^W\//, '')))) {
    throw new PennonError('BAD_REQUEST', `If-Match ${INVALID_TAG}`, {
      details: [{ path: 'If-Match', message: INVALID_TAG }],
    });
  }
  throw new PennonError(
    'PRECONDITION_FAILED',
    `${current.name} has changed: its current version is ${current.version}; read it again`,
    { details: [{ path: 'version', message: String(current.version) }], etag: current.etag },
  );
};

/** Whether If-None-Match has this tag, by weak comparison (RFC 9110). */
export const isNotModified = (header: string | undefined, etag: string): boolean => {
  if (header === undefined) return false;
  const tags = tagsOf(header);
  return tags === undefined || tags.some(tag => tag.replace(/^W\//, '') === etag);
};
