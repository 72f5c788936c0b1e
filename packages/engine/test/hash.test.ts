import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import murmurhash from 'murmurhash';
import { describe, expect, test } from 'vitest';

import { draw, drawSeed, highestHash, murmur3, orderedHash } from '../src/hash.ts';

type Vector = { readonly utf8Hex: string; readonly seed: number; readonly unsigned: number };
const { vectors } = JSON.parse(
  readFileSync(new URL('vectors/murmur3-x86-32-vectors.json', import.meta.url), 'utf8'),
) as { readonly vectors: readonly Vector[] };

const bytesOf = ({ utf8Hex }: Vector) => Uint8Array.from(Buffer.from(utf8Hex, 'hex'));
const textOf = (bytes: Uint8Array): string | undefined => {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return Buffer.from(text).equals(bytes) ? text : undefined;
};

const seed = fc.integer({ min: 0, max: 0xffff_ffff });

describe('MurmurHash3', () => {
  test('has 113 published vectors, all except three for text', () => {
    expect(vectors).toHaveLength(113);
    expect(vectors.filter(vector => textOf(bytesOf(vector)) === undefined)).toHaveLength(3);
  });

  test.each(vectors)('of $utf8Hex with seed $seed is $unsigned', vector => {
    const text = textOf(bytesOf(vector));
    if (text !== undefined) expect(murmur3(text, vector.seed)).toBe(vector.unsigned);
    expect(murmurhash.v3(bytesOf(vector), vector.seed)).toBe(vector.unsigned);
  });

  test('of ASCII, computed without a buffer, equals the result of the library', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary-ascii', maxLength: 100 }),
        seed,
        (text, initialHash) => {
          expect(murmur3(text, initialHash)).toBe(murmurhash.v3(text, initialHash));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test('of any text is that of its UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), seed, (text, initialHash) => {
        expect(murmur3(text, initialHash)).toBe(
          murmurhash.v3(new TextEncoder().encode(text), initialHash),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test.each(['\ud800', 'a\udc00b', '\udc00\ud800', 'abcd\udfff'])(
    'of an unpaired surrogate is that of U+FFFD: %j',
    text => {
      expect(murmur3(text, 7)).toBe(murmur3(text.replaceAll(/[\ud800-\udfff]/g, '�'), 7));
    },
  );
});

describe('a draw', () => {
  test('is the hash scaled to 0 to 99,999', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(1), (bucketingValue, text, which) => {
        const hash = BigInt(murmurhash.v3(bucketingValue, murmurhash.v3(text, which)));
        expect(BigInt(draw(bucketingValue, drawSeed(text, which)))).toBe((hash * 100_000n) >> 32n);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is below a threshold exactly if the ordered hash is at most the highest hash of the threshold', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer(),
        fc.integer({ min: 0, max: 100_000 }),
        (bucketingValue, seedOfDraw, threshold) => {
          expect(orderedHash(bucketingValue, seedOfDraw) <= highestHash(threshold)).toBe(
            draw(bucketingValue, seedOfDraw) < threshold,
          );
          const drawn = draw(bucketingValue, seedOfDraw);
          expect(orderedHash(bucketingValue, seedOfDraw) <= highestHash(drawn)).toBe(false);
          expect(orderedHash(bucketingValue, seedOfDraw) <= highestHash(drawn + 1)).toBe(true);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test('has as its highest hash the last one that is scaled to less', () => {
    const wrong: number[] = [];
    for (let limit = 0; limit <= 100_000; limit += 1) {
      const first = ((BigInt(limit) << 32n) + 99_999n) / 100_000n;
      if (highestHash(limit) + 2 ** 31 !== Number(first) - 1) wrong.push(limit);
    }
    expect(wrong).toEqual([]);
  });
});
