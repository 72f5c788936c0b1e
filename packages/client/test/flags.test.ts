import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { FlagToWrite } from '../src/flags.ts';
import { defineFlags, flagsModule } from '../src/flags.ts';

describe('defined flags', () => {
  it('return the same object with types', () => {
    const flags = defineFlags({ 'new-checkout': {} });
    const client = { getBooleanValue: (_: string, defaultValue: boolean) => defaultValue };
    expect(flags.typed(client)).toBe(client);
  });
});

describe('a generated module', () => {
  it('is the same for the same flags in any order', () => {
    const a: FlagToWrite = { key: 'a', type: 'boolean', variants: { on: true, off: false } };
    const b: FlagToWrite = { key: 'b', type: 'string', variants: { red: '#f00' } };
    expect(flagsModule([b, a])).toBe(flagsModule([a, b]));
    expect(flagsModule([b, a])).toBe(`// Generated from the flags of an environment. Do not edit.
import { defineFlags } from '@pennon/client/flags';

export const flags = defineFlags({
  "a": {"type":"boolean","variants":{"on":true,"off":false}},
  "b": {"type":"string","variants":{"red":"#f00"}},
});
`);
  });

  it('defines any flags exactly as they are', async () => {
    const name = fc.oneof(fc.string({ minLength: 1, unit: 'grapheme' }), fc.constant('__proto__'));
    const flag = fc.record<FlagToWrite>({
      key: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,10}$/),
      type: fc.constant('object'),
      variants: fc.dictionary(name, fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }))),
    });
    const flags = fc.uniqueArray(flag, { selector: ({ key }) => key, maxLength: 5 });
    const directory = await mkdtemp(join(import.meta.dirname, 'generated-'));
    let file = 0;
    try {
      await fc.assert(
        fc.asyncProperty(flags, async given => {
          file += 1;
          const path = join(directory, `${file}.ts`);
          writeFileSync(path, flagsModule(given));
          const module: { flags: { definitions: unknown } } = await import(path);
          expect(JSON.stringify(module.flags.definitions)).toBe(asDefinitions(given));
        }),
        { numRuns: 50 },
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

/** Returns JSON, because comparing objects ignores an own `__proto__`. */
const asDefinitions = (flags: readonly FlagToWrite[]): string => {
  const sorted = flags.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return JSON.stringify(
    Object.fromEntries(sorted.map(({ key, type, variants }) => [key, { type, variants }])),
  );
};
