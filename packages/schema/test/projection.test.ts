import {
  EvaluationFlag,
  EvaluationSegment,
  toEvaluationFlag,
  toEvaluationSegment,
} from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { flag, segment } from './support/arbitraries.ts';

const NOT_SENT = new Set([
  'name',
  'description',
  'tags',
  'owner',
  'codeDefault',
  'numberType',
  'createdAt',
  'updatedAt',
]);

const sentFields = (managed: object) =>
  Object.fromEntries(Object.entries(managed).filter(([field]) => !NOT_SENT.has(field)));

test('an evaluation flag has exactly the evaluated fields, metadata and version', () => {
  fc.assert(
    fc.property(flag, managed => {
      expect(toEvaluationFlag(managed)).toStrictEqual(sentFields(managed));
      expect(EvaluationFlag.safeParse(toEvaluationFlag(managed)).success).toBe(true);
    }),
  );
});

test('an evaluation segment has exactly its key, conditions and version', () => {
  fc.assert(
    fc.property(segment, managed => {
      expect(toEvaluationSegment(managed)).toStrictEqual(sentFields(managed));
      expect(EvaluationSegment.safeParse(toEvaluationSegment(managed)).success).toBe(true);
    }),
  );
});

test('the schemas of evaluation flags and segments have no descriptive field', () => {
  const fields = [...Object.keys(EvaluationFlag.shape), ...Object.keys(EvaluationSegment.shape)];
  expect(fields.filter(field => NOT_SENT.has(field))).toEqual([]);
});
