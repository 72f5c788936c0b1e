import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { compileWith, evaluate, needsPatterns } from '../src/core.ts';
import type { RegexEngine } from '../src/re2-subset.ts';
import { patterns } from '../src/re2js.ts';

const matchingCondition = { attribute: 'mail', operator: 'matches', value: '@example\\.com$' };
const equal = { attribute: 'plan', operator: 'equals', value: 'pro' };
const flagWith = (...conditions: readonly object[]) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [{ conditions, variant: 'on' }],
});
const ADA = { mail: 'ada@example.com', plan: 'pro' };

/** Returns a module of this package with everything that it imports at run time. */
const loadedWith = (module: string, known: Set<string> = new Set()): Set<string> => {
  if (known.has(module)) return known;
  known.add(module);
  if (!module.startsWith('./')) return known;
  const source = readFileSync(new URL(`../src/${module}`, import.meta.url), 'utf8');
  const imports = source.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm);
  for (const [, found = ''] of imports) loadedWith(found, known);
  return known;
};

describe('the engine without regular expressions', () => {
  const packagesOf = (module: string) =>
    [...loadedWith(module)].filter(found => !found.startsWith('./') && found !== '@pennon/schema');

  test('loads only the hash; the whole engine also loads the regular expressions', () => {
    expect(packagesOf('./core.ts')).toEqual(['murmurhash']);
    expect(packagesOf('./index.ts').toSorted()).toEqual(['murmurhash', 're2js']);
  });

  test('evaluates all flags except those that need them', () => {
    const compiled = compileWith(undefined)({
      flags: { plain: flagWith(equal), matching: flagWith(equal, matchingCondition) },
    });
    expect(evaluate(compiled, 'plain', ADA)).toMatchObject({ value: true });
    expect(evaluate(compiled, 'matching', ADA)).toMatchObject({ errorCode: 'PARSE_ERROR' });
  });

  test('compiles flags again that were compiled without them', () => {
    const flagSet = {
      flags: { matching: flagWith(matchingCondition), segmented: flagWith({ segment: 'ours' }) },
      segments: { ours: { conditions: [matchingCondition] } },
    };
    const without = compileWith(undefined)(flagSet);
    expect(without.problems).toHaveLength(2);
    const compiled = compileWith(patterns)(flagSet, without);
    expect(compiled.problems).toEqual([]);
    expect(evaluate(compiled, 'segmented', ADA)).toMatchObject({ value: true });
  });
});

describe('patterns that are too large together', () => {
  /** Counts the patterns that are compiled. */
  const compiledPatternsOf = (flagSet: object, keys: readonly string[]): number => {
    let compiled = 0;
    const counting: RegexEngine = {
      compile: pattern => {
        compiled += 1;
        return patterns.compile(pattern);
      },
    };
    const set = compileWith(counting)(flagSet);
    for (const key of keys) evaluate(set, key, ADA);
    return compiled;
  };
  const many = (count: number) =>
    Array.from({ length: count }, () => ({ ...matchingCondition, value: 'x{100}'.repeat(40) }));

  test('of a flag: none of them is compiled, and other flags are', () => {
    const flags = { large: flagWith(...many(7)), small: flagWith(...many(1)) };
    expect(compiledPatternsOf({ flags }, ['large'])).toBe(0);
    expect(compiledPatternsOf({ flags }, ['large', 'small'])).toBe(1);
  });

  test('of a segment: none of them is compiled', () => {
    const flags = { segmented: flagWith({ segment: 'large' }) };
    const segments = { large: { conditions: many(7) } };
    expect(compiledPatternsOf({ flags, segments }, ['segmented'])).toBe(0);
  });
});

describe('a definition needs regular expressions', () => {
  test.each([
    ['a flag with a pattern', flagWith(equal, matchingCondition)],
    ['a flag with a pattern in a group', flagWith({ any: [equal, { all: [matchingCondition] }] })],
    ['a segment with a pattern', { conditions: [equal, matchingCondition] }],
    ['a segment with a pattern in a group', { conditions: [{ any: [matchingCondition] }] }],
  ])('%s', (_, definition) => {
    expect(needsPatterns(definition)).toBe(true);
  });
});

describe('a definition does not need regular expressions', () => {
  test.each([
    ['a flag without rules', { ...flagWith(), rules: [] }],
    ['a flag without patterns', flagWith(equal, { any: [equal] })],
    ['a segment without patterns', { conditions: [equal] }],
    ['a string', 'matches'],
    ['nothing', undefined],
  ])('%s', (_, definition) => {
    expect(needsPatterns(definition)).toBe(false);
  });
});
