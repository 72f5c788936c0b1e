import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { compileWith, evaluate, needsPatterns } from '../src/core.ts';
import { patterns } from '../src/re2js.ts';

const matching = { attribute: 'mail', operator: 'matches', value: '@example\\.com$' };
const equal = { attribute: 'plan', operator: 'equals', value: 'pro' };
const flagWith = (...conditions: readonly object[]) => ({
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [{ conditions, variant: 'on' }],
});
const ADA = { mail: 'ada@example.com', plan: 'pro' };

/** All modules that are loaded with one of this package, with what each imports for running. */
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

  test('loads the hash alone, and the whole engine the regular expressions too', () => {
    expect(packagesOf('./core.ts')).toEqual(['murmurhash']);
    expect(packagesOf('./index.ts').toSorted()).toEqual(['murmurhash', 're2js']);
  });

  test('decides every flag but those that need them', () => {
    const compiled = compileWith(undefined)({
      flags: { plain: flagWith(equal), needy: flagWith(equal, matching) },
    });
    expect(evaluate(compiled, 'plain', ADA)).toMatchObject({ value: true });
    expect(evaluate(compiled, 'needy', ADA)).toMatchObject({ errorCode: 'PARSE_ERROR' });
  });

  test('compiles anew what was compiled without them', () => {
    const flagSet = {
      flags: { needy: flagWith(matching), segmented: flagWith({ segment: 'ours' }) },
      segments: { ours: { conditions: [matching] } },
    };
    const without = compileWith(undefined)(flagSet);
    expect(without.problems).toHaveLength(2);
    const compiled = compileWith(patterns)(flagSet, without);
    expect(compiled.problems).toEqual([]);
    expect(evaluate(compiled, 'segmented', ADA)).toMatchObject({ value: true });
  });
});

describe('a definition needs regular expressions', () => {
  test.each([
    ['a flag with a pattern', flagWith(equal, matching)],
    ['a flag with a pattern in a group', flagWith({ any: [equal, { all: [matching] }] })],
    ['a segment with a pattern', { conditions: [equal, matching] }],
    ['a segment with a pattern in a group', { conditions: [{ any: [matching] }] }],
  ])('%s', (_, definition) => {
    expect(needsPatterns(definition)).toBe(true);
  });
});

describe('a definition needs no regular expressions', () => {
  test.each([
    ['a flag without rules', { ...flagWith(), rules: [] }],
    ['a flag without patterns', flagWith(equal, { any: [equal] })],
    ['a segment without patterns', { conditions: [equal] }],
    ['what is no definition', 'matches'],
    ['nothing', undefined],
  ])('%s', (_, definition) => {
    expect(needsPatterns(definition)).toBe(false);
  });
});
