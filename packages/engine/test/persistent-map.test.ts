import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { PersistentMap } from '../src/persistent-map.ts';

const key = fc.constantFrom('a', 'b', 'c', '10', '9', '__proto__', 'toString');
const changes = fc.array(fc.tuple(key, fc.option(fc.integer())), { maxLength: 4 });

/** A change of one of the maps so far, and what is read then. */
const step = fc.record({
  base: fc.nat(),
  changes,
  /** Often enough that the entries are copied. */
  times: fc.constantFrom(1, 70),
  read: fc.constantFrom('nothing', 'keys', 'entries'),
});

const modelAfter = (
  model: ReadonlyMap<string, number>,
  changed: readonly (readonly [string, number | null])[],
): ReadonlyMap<string, number> => {
  const next = new Map(model);
  for (const [name, value] of changed)
    if (value === null) next.delete(name);
    else next.set(name, value);
  return next;
};

const sorted = (model: ReadonlyMap<string, number>) =>
  [...model].toSorted(([a], [b]) => (a < b ? -1 : 1));

const expectSame = (map: PersistentMap<number>, model: ReadonlyMap<string, number>) => {
  expect(map.size).toBe(model.size);
  for (const name of ['a', 'b', 'c', '10', '9', '__proto__', 'toString', 'z'])
    expect([map.get(name), map.has(name)]).toEqual([model.get(name), model.has(name)]);
  expect([...map]).toEqual(sorted(model));
  expect(map.keyList()).toEqual(sorted(model).map(([name]) => name));
};

describe('a persistent map', () => {
  test('and all maps made from it keep their own entries, in any order of changes', () => {
    const steps = fc.array(step, { maxLength: 12 });
    fc.assert(
      fc.property(changes, steps, (first, later) => {
        const model = modelAfter(new Map(), first);
        const all = [{ map: PersistentMap.from(model), model }];
        for (const { base, changes: changed, times, read } of later) {
          const chosen = all[base % all.length];
          if (chosen === undefined) continue;
          if (read === 'keys') chosen.map.keyList();
          if (read === 'entries') expect([...chosen.map]).toEqual(sorted(chosen.model));
          let { map } = chosen;
          for (let time = 0; time < times; time += 1) map = map.with(changed);
          all.push({ map, model: modelAfter(chosen.model, changed) });
        }
        for (const each of all) expectSame(each.map, each.model);
      }),
    );
  });

  test('iterates in the order of its keys, also if other maps are made from it in between', () => {
    const map = PersistentMap.from(Object.entries({ b: 2, a: 1, c: 3 }));
    const seen: [string, number][] = [];
    for (const entry of map) {
      seen.push(entry);
      map.with([['c', null]]).with([['d', 4]]);
    }
    expect(seen).toEqual([['a', 1], ['b', 2], ['c', 3]]); // prettier-ignore
    expect([...map.keys(), ...map.values()]).toEqual(['a', 'b', 'c', 1, 2, 3]);
  });

  test('returns the keys after one that exists, and after one that does not', () => {
    const map = PersistentMap.from(Object.entries({ a: 1, c: 3, e: 5 }));
    expect(['', 'a', 'b', 'e', 'z'].map(after => map.keysAfter(after).join(''))).toEqual([
      'ace',
      'ce',
      'ce',
      '',
      '',
    ]);
  });

  test('is an object in JSON, with __proto__ as an ordinary name', () => {
    const map = PersistentMap.from([['__proto__', 1], ['a', 2]] as const); // prettier-ignore
    expect(JSON.stringify(map)).toBe('{"__proto__":1,"a":2}');
  });

  test('of many new keys has them in order', () => {
    const keys = Array.from({ length: 100 }, (_, index) => `${index}`);
    const map = PersistentMap.from(Object.entries({ x: 1 }));
    map.keyList();
    expect(map.with(keys.map(each => [each, 1])).keyList()).toEqual([...keys, 'x'].toSorted());
  });

  test('that is kept for long refers to few of the values of later ones', async () => {
    const first = PersistentMap.from([['a', {}]]);
    const values = valuesOfLaterMaps(first, 1_000);
    await new Promise(setImmediate);
    collectGarbage();
    expect(first.get('a')).toEqual({});
    expect(values.filter(value => value.deref() !== undefined).length).toBeLessThan(100);
  });
});

const valuesOfLaterMaps = (first: PersistentMap<object>, count: number): WeakRef<object>[] => {
  let map = first;
  return Array.from({ length: count }, (_, index) => {
    const value = { index };
    map = map.with([['a', value]]);
    return new WeakRef(value);
  });
};

const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
};
