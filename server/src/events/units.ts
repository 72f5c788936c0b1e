/** Units are 8 bytes. Everywhere but in the store they are texts in base64url. */
const UNIT_BYTES = 8;

/** Returns a unit as a string with one character for each byte. */
export const bytesOfUnit = (unit: string): string =>
  Buffer.from(unit, 'base64url').toString('latin1');

export const unitOfBytes = (bytes: string): string =>
  Buffer.from(bytes, 'latin1').toString('base64url');

/** Redis stores small hashes in few bytes: with 3 million units in 16 partitions, a bucket has about 100. */
const BUCKET_BITS = 11;
export const BUCKETS = 1 << BUCKET_BITS;
/** Buckets that are read for one write, so that other work is not held. */
export const BUCKETS_AT_ONCE = 32;

const SECOND_BYTE = 1;
const THIRD_BYTE = 2;
const BITS_OF_THIRD = 5;

/** Returns the number of the bucket of a unit. The first byte determines its partition. */
export const bucketOf = (bytes: string): number =>
  ((bytes.charCodeAt(SECOND_BYTE) << 8) | bytes.charCodeAt(THIRD_BYTE)) >> BITS_OF_THIRD;

const ALL_BITS = 16;
const SETTLED_BITS = 15;

const settledBits = (partitions: number): number => SETTLED_BITS - Math.ceil(Math.log2(partitions));

/** How many fields the settled units of a partition have. */
export const settledFields = (partitions: number): number => 1 << settledBits(partitions);

/**
 * Returns the number of the field that has a unit when it is settled. Fewer partitions have more fields each, because
 * SQLite keeps only short values in one page.
 */
export const settledFieldOf = (bytes: string, partitions: number): number =>
  ((bytes.charCodeAt(SECOND_BYTE) << 8) | bytes.charCodeAt(THIRD_BYTE)) >>
  (ALL_BITS - settledBits(partitions));

/** Returns the bytes that differ between the units of a bucket. */
export const restOf = (bytes: string): string =>
  bytes.slice(0, SECOND_BYTE) + bytes.slice(THIRD_BYTE);

/** How many bytes `restOf` returns. */
export const REST_BYTES = UNIT_BYTES - 1;
