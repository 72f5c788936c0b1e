import fc from 'fast-check';
import { expect, it } from 'vitest';

import { CombinedDigest, digestOf } from '../src/evaluation/digest.ts';

const textOf = (results: readonly string[]): string => {
  const combined = new CombinedDigest();
  for (const result of results) combined.add(digestOf(result));
  return combined.toText();
};

const lists = fc.array(fc.string({ maxLength: 3 }), { minLength: 1, maxLength: 20 });

it('results that are not the same, or not in the same order, have another digest', () => {
  fc.assert(
    fc.property(lists, lists, (some, others) => {
      const areSame = JSON.stringify(some) === JSON.stringify(others);
      expect(textOf(some) === textOf(others)).toBe(areSame);
    }),
  );
});

it('one result that is added, removed, replaced or moved changes the digest', () => {
  fc.assert(
    fc.property(lists, fc.nat(), (results, at) => {
      const index = at % results.length;
      const changes = [
        results.toSpliced(index, 1),
        results.toSpliced(index, 0, 'other'),
        results.toSpliced(index, 1, 'other'),
        [...results.toSpliced(index, 1), 'other', results[index] ?? ''],
      ];
      for (const changed of changes) expect(textOf(changed)).not.toBe(textOf(results));
    }),
  );
});

it('a digest is the same on each server', () => {
  expect(textOf(['a', 'b'])).toMatchInlineSnapshot(`"1806077928-2107763114-4287988237-3369093342"`);
});
