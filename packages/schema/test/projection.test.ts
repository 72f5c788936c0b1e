import {
  EvaluationFlag,
  EvaluationSegment,
  toEvaluationFlag,
  toEvaluationSegment,
} from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { flag, segment } from './support/arbitraries.ts';

const STAYS = new Set(['name', 'description', 'tags', 'owner', 'createdAt', 'updatedAt']);

const travelling = (managed: object) =>
  Object.fromEntries(Object.entries(managed).filter(([field]) => !STAYS.has(field)));

test('an evaluation flag has every deciding field, metadata and version, and nothing else', () => {
  fc.assert(
    fc.property(flag, managed => {
      expect(toEvaluationFlag(managed)).toStrictEqual(travelling(managed));
      expect(EvaluationFlag.safeParse(toEvaluationFlag(managed)).success).toBe(true);
    }),
  );
});

test('an evaluation segment has its key, conditions and version, and nothing else', () => {
  fc.assert(
    fc.property(segment, managed => {
      expect(toEvaluationSegment(managed)).toStrictEqual(travelling(managed));
      expect(EvaluationSegment.safeParse(toEvaluationSegment(managed)).success).toBe(true);
    }),
  );
});

test('the schemas of what travels have no descriptive field', () => {
  const fields = [...Object.keys(EvaluationFlag.shape), ...Object.keys(EvaluationSegment.shape)];
  expect(fields.filter(field => STAYS.has(field))).toEqual([]);
});
