import { LIMITS } from '@pennon/schema';

import { PennonError } from '../errors.ts';

const MIB = 1_048_576;

/** What an import may contain. It is refused at the first bound that it exceeds. */
export const IMPORT_BOUNDS = {
  bytes: 64 * MIB,
  /** JSON values, at all depths together. */
  values: 5_000_000,
  /** Names in one object. */
  names: 20_000,
  /** Far more than any valid document has. The exact limit is checked once the document is parsed. */
  depth: 2 * LIMITS.jsonDepth,
  environments: 1_000,
  keys: 10_000,
  /** Flags, or segments, of one environment. */
  documents: 50_000,
  /** Bytes of one flag or segment. The exact limit is that of its schema. */
  documentBytes: 2 * LIMITS.flagBytes,
  /** Problems after which the rest is not checked. */
  problems: 1_000,
} as const;

type Bound = keyof typeof IMPORT_BOUNDS;

const MESSAGES: Readonly<Record<Bound, string>> = {
  bytes: 'bytes',
  values: 'JSON values',
  names: 'names in one object',
  depth: 'levels of nesting',
  environments: 'environments',
  keys: 'keys',
  documents: 'flags or segments in one environment',
  documentBytes: 'bytes in one flag or segment',
  problems: 'problems',
};

/** Throws PAYLOAD_TOO_LARGE if a document has more of something than an import may have. */
export const requireAtMost = (bound: Bound, count: number): void => {
  const limit = IMPORT_BOUNDS[bound];
  if (count <= limit) return;
  throw new PennonError(
    'PAYLOAD_TOO_LARGE',
    `an import may have at most ${limit} ${MESSAGES[bound]}: import fewer environments at once`,
  );
};

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const OPENING: ReadonlySet<number | undefined> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number | undefined> = new Set([0x5d, 0x7d]);

/**
 * Counts the values, names and levels of JSON text, and throws at the first bound: the text of a few
 * mebibytes can become gigabytes of objects. Whether it is JSON at all is for the parser to decide.
 */
export const requireWithinBounds = (text: Uint8Array): void => {
  requireAtMost('bytes', text.length);
  const names: number[] = [0];
  let values = 1;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at];
    if (byte === QUOTE) at = endOfString(text, at);
    else if (byte === COMMA) values += 1;
    else if (byte === COLON) countName(names);
    else if (OPENING.has(byte)) {
      values += 1;
      names.push(0);
      requireAtMost('depth', names.length);
    } else if (CLOSING.has(byte)) names.pop();
    if (values > IMPORT_BOUNDS.values) requireAtMost('values', values);
  }
};

/** `names` has a count for each object or list that is open. */
const countName = (names: number[]): void => {
  const count = (names.pop() ?? 0) + 1;
  requireAtMost('names', count);
  names.push(count);
};

/** Returns the position of the quote that ends the string which starts at `start`. */
const endOfString = (text: Uint8Array, start: number): number => {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
};
