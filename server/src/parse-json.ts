import { findInexactNumbers, inexactNumberMessage } from '@pennon/engine';

import { errorMessage } from './error-message.ts';
import { invalid, PennonError } from './errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

const notJson = (error: unknown): PennonError => {
  const reason = errorMessage(error).slice(0, 100);
  return new PennonError('BAD_REQUEST', `the body is not valid JSON in UTF-8: ${reason}`);
};

/** Decodes a body. Throws BAD_REQUEST if it is not UTF-8. */
export const decodeText = (body: string | Uint8Array): string => {
  try {
    return typeof body === 'string' ? body : decoder.decode(body);
  } catch (error) {
    throw notJson(error);
  }
};

/** Returns undefined for an empty body. Keeps every property name, even `__proto__`. */
export const parseJson = (body: string | Uint8Array, ignoredLevels = 0): unknown => {
  const text = decodeText(body);
  if (text === '') return undefined;
  const value = parseOrThrow(text);
  requireExactNumbers(text, ignoredLevels);
  return value;
};

const parseOrThrow = (text: string): unknown => {
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
  const details = findInexactNumbers(json)
    .map(number => ({ ...number, path: number.path.slice(ignoredLevels) }))
    .filter(({ path: [field] }) => field !== 'context')
    .map(number => ({ path: number.path.join('.'), message: inexactNumberMessage(number.text) }));
  if (details.length > 0) throw invalid(details, 'the body');
};
