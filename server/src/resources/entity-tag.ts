import { createHash } from 'node:crypto';

import type { Coding } from '../compression.ts';
import { PennonError } from '../errors.ts';
import type { ChangeId } from '../store/change-id.ts';

/**
 * A strong entity tag derived from the id of a change. Ids are unique, so a resource that is deleted and
 * created again never has a previous tag.
 */
export const entityTag = (id: ChangeId): string => `"${id}"`;

/** Returns a tag that differs if the value does. */
export const hashTag = (value: unknown): string =>
  entityTag(createHash('sha256').update(JSON.stringify(value)).digest('base64url'));

/** Returns the tag of a compressed body. Strong tags differ if the bytes differ, so the coding is part of it. */
export const withCoding = (etag: string, coding: Coding): string =>
  `${etag.slice(0, -1)}+${coding}"`;

/** Ids and hashes have no `+`. */
const withoutCoding = (etag: string): string => etag.replace(/\+(?:br|gzip|zstd)"$/, '"');

/** The change id in a header that holds exactly one entity tag, otherwise the empty string. */
export const changeIdOf = (header: string | undefined): ChangeId =>
  /^(?:W\/)?"([^",]*)"$/.exec(withoutCoding(header ?? ''))?.[1] ?? '';

const asStrong = (tag: string): string => tag.replace(/^W\//, '');

const TAG = /^"[\x21\x23-\x7e]*"$/;

/** Tags of an If-Match or If-None-Match header, weak ones with their prefix; undefined for `*`. */
const tagsOf = (header: string): readonly string[] | undefined =>
  header.trim() === '*' ? undefined : header.split(',').map(tag => tag.trim());

const INVALID_TAG =
  'must be "*" or quoted entity tags such as "abc": send the ETag header of a response as it is';

/** Throws PRECONDITION_FAILED unless If-Match has the current tag, of any coding. Weak tags never match. */
export const requireMatch = (
  header: string | undefined,
  current: { etag: string; version: number; name: string },
): void => {
  if (header === undefined) return;
  const tags = tagsOf(header);
  if (tags === undefined || tags.some(tag => withoutCoding(tag) === current.etag)) return;
  if (!tags.every(tag => TAG.test(asStrong(tag)))) {
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

/**
 * Returns the tag in If-None-Match that is this one, by weak comparison (RFC 9110) and of any coding, or undefined. It
 * is weak if this one is.
 * The response has it as its own, so that a cache finds the body that it confirms.
 */
export const matchingTag = (header: string | undefined, etag: string): string | undefined => {
  if (header === undefined) return undefined;
  const tags = tagsOf(header);
  if (tags === undefined) return etag;
  const known = tags.map(asStrong).find(tag => withoutCoding(tag) === asStrong(etag));
  return known === undefined || etag === asStrong(etag) ? known : `W/${known}`;
};
