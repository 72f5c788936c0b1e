import type { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import zlib, { constants } from 'node:zlib';

import pLimit from 'p-limit';

/** The content codings of responses. */
export type Coding = 'br' | 'gzip' | 'zstd';

/** Whether a body is compressed for one response, or once for many. */
export type Use = 'once' | 'often';

/** The smallest body that is compressed: anything smaller fits into one packet. */
export const MIN_BYTES = 1_024;

/** The level of each coding, the preferred one first. Decision 0024 has the measurements. */
const LEVELS = {
  once: { zstd: 1, br: 1, gzip: 1 },
  often: { br: 5, zstd: 3, gzip: 6 },
} as const satisfies Readonly<Record<Use, Readonly<Record<Coding, number>>>>;

const ORDER: Readonly<Record<Use, readonly Coding[]>> = {
  once: ['zstd', 'br', 'gzip'],
  often: ['br', 'zstd', 'gzip'],
};

/** Node.js has Zstandard since version 22.15. */
const isSupported = (coding: Coding): boolean => coding !== 'zstd' || 'createZstdCompress' in zlib;

const ENGINES: Readonly<Record<Coding, (level: number, bytes: number) => Transform>> = {
  br: (level, bytes) =>
    zlib.createBrotliCompress({
      params: {
        [constants.BROTLI_PARAM_QUALITY]: level,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
      },
    }),
  gzip: level => zlib.createGzip({ level }),
  zstd: level =>
    zlib.createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } }),
};

/** Returns the coding that a client accepts and prefers, or undefined without one. */
export const chooseCoding = (acceptEncoding: string | undefined, use: Use): Coding | undefined =>
  chooseFrom(acceptEncoding, ORDER[use].filter(isSupported));

/** Returns the coding that a client accepts and prefers among some, the best one first. */
export const chooseFrom = <Choice extends Coding>(
  acceptEncoding: string | undefined,
  codings: readonly Choice[],
): Choice | undefined => {
  if (acceptEncoding === undefined) return undefined;
  const qualities = qualitiesOf(acceptEncoding);
  const qualityOf = (coding: Coding): number => qualities.get(coding) ?? qualities.get('*') ?? 0;
  const [best] = codings.toSorted((a, b) => qualityOf(b) - qualityOf(a));
  if (best === undefined || qualityOf(best) === 0) return undefined;
  return qualityOf(best) >= (qualities.get('identity') ?? 0) ? best : undefined;
};

/** Returns the q-values in an Accept-Encoding header (RFC 9110), by coding. */
const qualitiesOf = (header: string): ReadonlyMap<string, number> =>
  new Map(
    header
      .toLowerCase()
      .split(',')
      .map(each => {
        const [coding = '', parameter] = each.split(';', 2);
        return [coding.trim(), parameter === undefined ? 1 : qualityIn(parameter)];
      }),
  );

const QUALITY = /^\s*q\s*=\s*([01](?:\.\d*)?)\s*$/;

/** A parameter that is not valid refuses the coding, so that no client receives what it cannot read. */
const qualityIn = (parameter: string): number => Number(QUALITY.exec(parameter)?.[1] ?? 0);

/** Threads that compress at once: half of those of Node.js, because files and DNS need them too. */
const MAX_RUNNING = 2;
/** How many compressions may wait, with their bodies in memory. */
const MAX_WAITING = 64;
const limit = pLimit(MAX_RUNNING);

/**
 * Compresses the parts of a body in another thread. Returns undefined if that does not make it smaller, or if many
 * others wait already: a response without compression then costs less.
 */
export const compress = async (
  parts: Iterable<Uint8Array>,
  bytes: number,
  coding: Coding,
  use: Use,
): Promise<Buffer | undefined> => {
  if (bytes < MIN_BYTES || limit.pendingCount >= MAX_WAITING) return undefined;
  const compressed = await limit(() =>
    pipeline(parts, ENGINES[coding](LEVELS[use][coding], bytes), source => buffer(source)),
  );
  return compressed.length < bytes ? compressed : undefined;
};

/** Compresses a byte string for one response. Returns another one (see `toByteString`), or undefined as above. */
export const compressBytes = async (body: string, coding: Coding): Promise<string | undefined> => {
  const bytes = Buffer.from(body, 'latin1');
  const compressed = await compress([bytes], bytes.length, coding, 'once');
  return compressed?.toString('latin1');
};
