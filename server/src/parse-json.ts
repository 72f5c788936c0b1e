import { findInexactNumbers, inexactNumberMessage, type InexactNumber } from '@pennon/engine';
import { LIMITS } from '@pennon/schema';

import { errorMessage } from './error-message.ts';
import { invalid, PennonError } from './errors.ts';
import { findExcess, type JsonBounds } from './json-bounds.ts';
import { nextTurn } from './slices.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

const notJson = (error: unknown): PennonError => {
  const reason = errorMessage(error).slice(0, 100);
  const message = `the body is not valid JSON in UTF-8: ${reason}`;
  return new PennonError('BAD_REQUEST', message, { isMalformed: true });
};

/** Decodes a body. Throws BAD_REQUEST if it is not UTF-8. */
export const decodeText = (body: string | Uint8Array): string => {
  try {
    return typeof body === 'string' ? body : decoder.decode(body);
  } catch (error) {
    throw notJson(error);
  }
};

/**
 * Returns undefined for an empty body. Throws BAD_REQUEST if it exceeds a bound of requests. A large body is parsed in
 * one turn of the event loop, and searched for numbers in another one.
 */
export const parseJson = async (body: Uint8Array): Promise<unknown> => {
  const { text, value } = parseBounded(body);
  if (text === '') return undefined;
  await nextTurn();
  requireExactNumbers(text);
  return value;
};

/** Does the same for values that are measured, not stored: a number is the nearest double. One beyond all of them is infinite. */
export const parseMeasurements = (body: Uint8Array): unknown => parseBounded(body).value;

const parseBounded = (body: Uint8Array): { readonly text: string; readonly value: unknown } => {
  requireBounded(body);
  const text = decodeText(body);
  return { text, value: text === '' ? undefined : parseText(text) };
};

/** Does the same at once, and without bounds: those of imports are larger. Keeps every property name, even `__proto__`. */
export const parseExactJson = (body: string | Uint8Array, ignoredLevels = 0): unknown => {
  const text = decodeText(body);
  if (text === '') return undefined;
  const value = parseText(text);
  requireExactNumbers(text, ignoredLevels);
  return value;
};

/** Names in the input of a procedure, of which the largest has some twenty fields. */
const MAX_FIELDS = 100;
/** Names in any other object. An evaluation context with more is refused, also if it is nested. */
const MAX_NAMES = LIMITS.contextValues;

/** Different names and strings. A flag has room for so many strings of five characters. */
const MAX_TEXTS = LIMITS.flagBytes / 8;

/** Far more than any valid input has. The exact limits are checked once it is parsed. */
const BOUNDS = {
  values: LIMITS.flagBytes,
  names: [MAX_FIELDS, MAX_NAMES],
  differentNames: MAX_NAMES + MAX_FIELDS,
  differentTexts: MAX_TEXTS,
  depth: 2 * LIMITS.jsonDepth,
} as const satisfies JsonBounds;
const BATCH_BOUNDS: JsonBounds = { ...BOUNDS, names: [MAX_FIELDS, ...BOUNDS.names] };

/** Less text is parsed and checked in a few milliseconds, regardless of what it has. */
const UNBOUNDED_LENGTH = 16_384;

/** Throws BAD_REQUEST before a body is parsed if that would be costly and it could not be valid anyway. */
export const requireBounded = (body: string | Uint8Array, isBatch = false): void => {
  if (body.length <= UNBOUNDED_LENGTH) return;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const excess = findExcess(bytes, isBatch ? BATCH_BOUNDS : BOUNDS);
  if (excess === undefined) return;
  const message = `must have at most ${excess.limit} ${excess.of}`;
  throw invalid([{ path: '', message }], 'the body');
};

/** Parses JSON. Throws BAD_REQUEST if it is not valid. */
export const parseText = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw notJson(error);
  }
};

/**
 * Throws BAD_REQUEST for numbers that would be stored as others. In an evaluation context they are compared as
 * doubles. `ignoredLevels` are those above the input of a procedure.
 */
export const requireExactNumbers = (json: string, ignoredLevels = 0): void => {
  const details = inexactNumbersIn(json)
    .map(number => ({ ...number, path: number.path.slice(ignoredLevels) }))
    .filter(({ path: [field] }) => field !== 'context')
    .map(number => ({ path: number.path.join('.'), message: inexactNumberMessage(number.text) }));
  if (details.length > 0) throw invalid(details, 'the body');
};

/** Text that tRPC has not parsed yet may have names that are not JSON. */
const inexactNumbersIn = (json: string): readonly InexactNumber[] => {
  try {
    return findInexactNumbers(json);
  } catch (error) {
    throw notJson(error);
  }
};
