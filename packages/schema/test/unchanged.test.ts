import {
  Condition,
  Evaluation,
  EvaluationContext,
  EvaluationFlag,
  EvaluationSegment,
  Flag,
  FlagCreate,
  FlagSet,
  Json,
  JsonObjectSchema,
  RuleInput,
  Segment,
  Value,
} from '@pennon/schema';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  condition,
  evaluation,
  evaluationFlag,
  evaluationSegment,
  flag,
  flagCreate,
  flagSet,
  ruleInput,
  segment,
} from './support/arbitraries.ts';

test.each([
  ['flag', Flag, flag],
  ['flag on creation', FlagCreate, flagCreate],
  ['rule on creation', RuleInput, ruleInput],
  ['condition', Condition, condition],
  ['segment', Segment, segment],
  ['evaluation flag', EvaluationFlag, evaluationFlag],
  ['evaluation segment', EvaluationSegment, evaluationSegment],
  ['flag set', FlagSet, flagSet],
  ['evaluation', Evaluation, evaluation],
])('parsing a valid %s drops, converts and adds nothing', (_, schema, valid) => {
  fc.assert(
    fc.property(valid, document => {
      const before = structuredClone(document);
      expect(schema.parse(document)).toEqual(before);
      expect(document).toEqual(before);
    }),
  );
});

test('parsing a JSON value returns the same object', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      expect(Json.parse(value)).toBe(value);
    }),
  );
});

test.each([
  ['a value', Value],
  ['a JSON object', JsonObjectSchema],
  ['an evaluation context', EvaluationContext],
])('parsing %s keeps an own __proto__, which a copy would lose', (_, schema) => {
  const trap: unknown = JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}');
  expect(schema.parse(trap)).toBe(trap);
});

test('a record drops an own __proto__, so the server has to refuse the name before parsing', () => {
  const variants: unknown = JSON.parse('{"on": true, "__proto__": false}');
  const parsed = FlagCreate.parse({ key: 'a', enabled: true, variants });
  expect(parsed.variants).toStrictEqual({ on: true });
});

test('a JSON value may be deeper than the call stack', () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  expect(Json.safeParse(deep).success).toBe(true);
});
