import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { compile, diffFlagSets, evaluateAll } from '../src/index.ts';
import {
  context,
  damagedFlagSet,
  flag,
  flagKey,
  flagSet,
  reordered,
  segment,
} from './arbitraries.ts';

type RawObject = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is RawObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const partOf = (set: unknown, part: 'flags' | 'segments'): RawObject => {
  const found = isObject(set) ? set[part] : undefined;
  return isObject(found) ? found : {};
};

const own = (object: RawObject, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined;

/** The JSON text with all names sorted. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner)
      ? Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))
      : inner,
  );

/** What the version of a flag or segment has no effect on. */
const withoutVersion = (definition: unknown): unknown => {
  if (!isObject(definition)) return definition;
  const { version: _, ...others } = definition;
  return others;
};

const withEffect = (keys: readonly string[], previous: RawObject, next: RawObject): string[] =>
  keys.filter(
    key =>
      Object.hasOwn(previous, key) !== Object.hasOwn(next, key) ||
      canonical(withoutVersion(previous[key])) !== canonical(withoutVersion(next[key])),
  );

const changedByText = (previous: RawObject, next: RawObject): string[] =>
  [...new Set([...Object.keys(previous), ...Object.keys(next)])]
    .filter(
      key =>
        Object.hasOwn(previous, key) !== Object.hasOwn(next, key) ||
        canonical(previous[key]) !== canonical(next[key]),
    )
    .toSorted();

/** Returns all values under this name, at any depth. */
const namedIn = (value: unknown, name: string): unknown[] => {
  if (Array.isArray(value)) return value.flatMap(item => namedIn(item, name));
  if (!isObject(value)) return [];
  return [own(value, name), ...Object.values(value).flatMap(inner => namedIn(inner, name))];
};

/** Adds every flag that refers to a key that is reached, until nothing is added. */
const affectedByRepetition = (
  next: RawObject,
  changedFlags: readonly string[],
  changedSegments: readonly string[],
): string[] => {
  const reached = new Set(changedFlags);
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const [key, definition] of Object.entries(next)) {
      const rules = isObject(definition) ? own(definition, 'rules') : undefined;
      const isReached =
        namedIn(rules, 'flag').some(name => typeof name === 'string' && reached.has(name)) ||
        namedIn(rules, 'segment').some(name => changedSegments.some(changed => changed === name));
      if (isReached) reached.add(key);
    }
  }
  return [...reached].toSorted();
};

/** Increases versions, as every edit does on the server. */
const withNextVersion = (definition: unknown): unknown =>
  isObject(definition)
    ? { ...definition, version: Number(definition['version'] ?? 0) + 1 }
    : definition;

/** Two flag sets that share most definitions; some differ only in their version. */
const pair = fc
  .tuple(
    flagSet,
    fc.dictionary(flagKey, fc.option(flag), { maxKeys: 2, noNullPrototype: true }),
    fc.dictionary(fc.constantFrom('s', 't'), fc.option(segment), {
      maxKeys: 1,
      noNullPrototype: true,
    }),
    fc.array(fc.oneof<fc.Arbitrary<string>[]>(flagKey, fc.constantFrom('s', 't')), {
      maxLength: 3,
    }),
  )
  .map(([previous, flags, segments, republished]) => {
    const replaced = (part: 'flags' | 'segments', by: RawObject) => {
      const entries = Object.entries({ ...partOf(previous, part), ...by })
        .filter(([, definition]) => definition !== null)
        .map(([key, definition]) =>
          republished.includes(key) ? [key, withNextVersion(definition)] : [key, definition],
        );
      return Object.fromEntries(entries) as RawObject;
    };
    const next = { flags: replaced('flags', flags), segments: replaced('segments', segments) };
    return { previous, next: JSON.parse(JSON.stringify(next)) as unknown };
  });

describe('diffFlagSets', () => {
  test('returns the same as a comparison of JSON texts and a repeated search', () => {
    fc.assert(
      fc.property(pair, ({ previous, next }) => {
        const { changed, affected } = diffFlagSets(previous, next);
        const flags = changedByText(partOf(previous, 'flags'), partOf(next, 'flags'));
        const segments = changedByText(partOf(previous, 'segments'), partOf(next, 'segments'));
        expect(changed).toStrictEqual({ flags, segments });
        expect(affected).toStrictEqual(
          affectedByRepetition(
            partOf(next, 'flags'),
            withEffect(flags, partOf(previous, 'flags'), partOf(next, 'flags')),
            withEffect(segments, partOf(previous, 'segments'), partOf(next, 'segments')),
          ),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test('includes every flag with different results or problems', () => {
    fc.assert(
      fc.property(pair, context, ({ previous, next }, attributes) => {
        const affected = new Set(diffFlagSets(previous, next).affected);
        const [before, after] = [compile(previous), compile(next)];
        const keys = [...new Set([...before.flagKeys, ...after.flagKeys])].filter(
          key => !affected.has(key),
        );
        expect(Object.entries(evaluateAll(after, attributes, keys))).toStrictEqual(
          Object.entries(evaluateAll(before, attributes, keys)),
        );
        expect(keys.map(after.problemsOf)).toStrictEqual(keys.map(before.problemsOf));
      }),
      { numRuns: 1_000 },
    );
  });

  test('finds no difference between flag sets that differ only in the order of names', () => {
    fc.assert(
      fc.property(flagSet, set => {
        expect(diffFlagSets(set, reordered(set))).toStrictEqual({
          changed: { flags: [], segments: [] },
          affected: [],
        });
      }),
    );
  });

  test('never throws, and finds all flags if there is no previous flag set', () => {
    fc.assert(
      fc.property(fc.oneof(damagedFlagSet, fc.jsonValue()), set => {
        const { changed, affected } = diffFlagSets(undefined, set);
        expect(changed.flags).toStrictEqual(Object.keys(partOf(set, 'flags')).toSorted());
        expect(affected).toStrictEqual(changed.flags);
        expect(diffFlagSets(set, undefined).affected).toStrictEqual(changed.flags);
      }),
    );
  });

  test('removed, added and replaced flags are changed, and their dependents are affected', () => {
    const on = (key: string) => ({ conditions: [{ flag: key, variants: ['on'] }], variant: 'on' });
    const plain = { type: 'boolean', enabled: true, variants: { on: true }, defaultVariant: 'on' };
    const previous = {
      flags: {
        removed: plain,
        replaced: plain,
        'on-removed': { ...plain, rules: [on('removed')] },
        'on-added': { ...plain, rules: [on('added')] },
        'on-on-replaced': { ...plain, rules: [on('on-replaced')] },
        'on-replaced': { ...plain, rules: [on('replaced')] },
        apart: plain,
      },
    };
    const { removed: _, ...others } = previous.flags;
    const next = { flags: { ...others, added: plain, replaced: { ...plain, enabled: false } } };
    expect(diffFlagSets(previous, next)).toStrictEqual({
      changed: { flags: ['added', 'removed', 'replaced'], segments: [] },
      affected: [
        'added',
        'on-added',
        'on-on-replaced',
        'on-removed',
        'on-replaced',
        'removed',
        'replaced',
      ],
    });
  });

  test('a new version alone changes a flag, but affects neither it nor its dependents', () => {
    const on = (condition: object) => ({ conditions: [condition], variant: 'on' });
    const plain = { type: 'boolean', enabled: true, variants: { on: true }, defaultVariant: 'on' };
    const previous = {
      flags: {
        edited: { ...plain, version: 1 },
        'on-edited': { ...plain, rules: [on({ flag: 'edited', variants: ['on'] })] },
        'in-payers': { ...plain, rules: [on({ segment: 'payers' })] },
      },
      segments: { payers: { conditions: [{ attribute: 'a', operator: 'exists' }], version: 1 } },
    };
    const next = {
      flags: { ...previous.flags, edited: { ...plain, version: 2 } },
      segments: { payers: { ...previous.segments.payers, version: 2 } },
    };
    expect(diffFlagSets(previous, next)).toStrictEqual({
      changed: { flags: ['edited'], segments: ['payers'] },
      affected: [],
    });
    const disabled = { ...next, flags: { ...next.flags, edited: { ...plain, enabled: false } } };
    expect(diffFlagSets(previous, disabled).affected).toEqual(['edited', 'on-edited']);
  });

  test('a description in an offline file has no effect on results', () => {
    const described = (description: string) => ({ flags: { f: { description } }, segments: {} });
    expect(diffFlagSets(described('old'), described('new'))).toStrictEqual({
      changed: { flags: ['f'], segments: [] },
      affected: [],
    });
  });

  test('with the keys of a change event, returns the same as a comparison of all flags', () => {
    const unknownKeys = fc.array(fc.oneof(flagKey, fc.string()), { maxLength: 3 });
    fc.assert(
      fc.property(pair, unknownKeys, ({ previous, next }, others) => {
        const diff = diffFlagSets(previous, next);
        const { flags, segments } = diff.changed;
        const hint = { flags: new Set([...flags, ...others]), segments: [...segments, ...others] };
        expect(diffFlagSets(previous, next, hint)).toStrictEqual(diff);
      }),
    );
  });

  test('compares only the flags and segments of the hint', () => {
    const compared: string[] = [];
    const traced = (version: number, flags: readonly string[]) => ({
      flags: Object.fromEntries(
        flags.map(key => [
          key,
          {
            get version() {
              compared.push(key);
              return version;
            },
          },
        ]),
      ),
    });
    const keys = ['a', 'b', 'c'];
    const diff = diffFlagSets(traced(1, keys), traced(2, keys), { flags: ['b'], segments: [] });
    expect(diff.changed.flags).toEqual(['b']);
    expect(new Set(compared)).toEqual(new Set(['b']));
  });

  test('a flag that is deeper than any well-formed flag counts as changed', () => {
    const nested = () => JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown;
    const { changed } = diffFlagSets({ flags: { f: nested() } }, { flags: { f: nested() } });
    expect(changed.flags).toEqual(['f']);
  });

  test('follows segments and flags, in groups too', () => {
    const rule = (condition: object) => ({ conditions: [{ any: [condition] }], variant: 'on' });
    const flags = {
      a: { rules: [rule({ segment: 's' })] },
      b: { rules: [rule({ flag: 'a', variants: ['on'] })] },
      c: { rules: [rule({ segment: 't' })] },
    };
    const next = { flags, segments: { s: { conditions: [1] } } };
    expect(diffFlagSets({ flags }, next).affected).toEqual(['a', 'b']);
  });

  test('with a hint, returns the dependents of exactly the named changes', () => {
    fc.assert(
      fc.property(pair, fc.array(flagKey), ({ previous, next }, keys) => {
        const { changed, affected } = diffFlagSets(previous, next, { flags: keys, segments: [] });
        const [before, after] = [partOf(previous, 'flags'), partOf(next, 'flags')];
        const named = changedByText(before, after).filter(key => keys.some(each => each === key));
        expect(changed).toStrictEqual({ flags: named, segments: [] });
        expect(affected).toStrictEqual(
          affectedByRepetition(after, withEffect(named, before, after), []),
        );
      }),
    );
  });
});
