import { LIMITS } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import { findExcess, type Excess, type JsonBounds } from '../json-bounds.ts';

const MIB = 1_048_576;

/** What an import may contain. It is refused at the first bound that it exceeds. */
export const IMPORT_BOUNDS = {
  bytes: 64 * MIB,
  /** JSON values, at all depths together. */
  values: 5_000_000,
  /** Names in one object. */
  names: 20_000,
  /** What a file of flagd may have, whose flags contain what they depend on. Exports may have far less. */
  depth: 16 * LIMITS.jsonDepth,
  environments: 1_000,
  keys: 10_000,
  /** Flags, or segments, of one environment. */
  documents: 50_000,
  /** Bytes of one flag or segment. The exact limit is that of its schema. */
  documentBytes: 2 * LIMITS.flagBytes,
  /** Problems after which the rest is not checked. */
  problems: 1_000,
} as const;

/** A bound of what is parsed, or of the text in bytes. */
type Bound = Exclude<keyof typeof IMPORT_BOUNDS, keyof JsonBounds>;

const MESSAGES: Readonly<Record<Bound, string>> = {
  bytes: 'bytes',
  environments: 'environments',
  keys: 'keys',
  documents: 'flags or segments in one environment',
  documentBytes: 'bytes in one flag or segment',
  problems: 'problems',
};

/** Throws PAYLOAD_TOO_LARGE if a document has more of something than an import may have. */
export const requireAtMost = (bound: Bound, count: number): void => {
  const limit = IMPORT_BOUNDS[bound];
  if (count > limit) throw tooLarge({ limit, of: MESSAGES[bound] });
};

const tooLarge = ({ limit, of }: Excess): PennonError =>
  new PennonError(
    'PAYLOAD_TOO_LARGE',
    `an import may have at most ${limit} ${of}: import fewer environments at once`,
  );

/** Throws PAYLOAD_TOO_LARGE at the first bound that JSON text exceeds. */
export const requireWithinBounds = (text: Uint8Array): void => {
  requireAtMost('bytes', text.length);
  const excess = findExcess(text, { ...IMPORT_BOUNDS, names: [IMPORT_BOUNDS.names] });
  if (excess !== undefined) throw tooLarge(excess);
};
