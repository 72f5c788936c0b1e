import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

let count = 0;
/** Writes a flag with these rules, which must be accepted, and returns its warnings. */
const warningsOf = async (...rules: object[]): Promise<{ path: string; message: string }[]> => {
  count += 1;
  const body = {
    key: `w${count}`,
    enabled: true,
    defaultVariant: 'off',
    rules: rules.map(rule => ({ variant: 'on', ...rule })),
  };
  const created = await server.api('POST', '/flags', { body });
  expect([created.status, created.body.error]).toEqual([201, undefined]);
  // The next test has the same attributes with other types.
  await server.api('DELETE', `/flags/${body.key}`);
  return created.body.warnings ?? [];
};

const warningsFor = (...conditions: object[]) => warningsOf({ conditions });
const on = (attribute: string, operator: string, value?: unknown, not?: boolean) => ({
  attribute,
  operator,
  ...(value !== undefined && { value }),
  ...(not !== undefined && { not }),
});

describe('a variant that another flag does not have', () => {
  it('earns a warning with its place and the variants, at any depth', async () => {
    const other = { key: 'theme', type: 'string', enabled: true, defaultVariant: 'light' };
    const variants = { light: 'l', dark: 'd' };
    await server.api('POST', '/flags', { body: { ...other, variants } });
    const requires = (...names: string[]) => ({ flag: 'theme', variants: names });
    expect(await warningsFor(requires('dark', 'drak'))).toEqual([
      {
        path: 'rules.0.conditions.0.variants.1',
        message:
          '"drak" is not a variant of flag "theme", so it never matches; did you mean "dark"?',
      },
    ]);
    expect(await warningsFor({ any: [{ all: [{ ...requires('xyz'), not: true }] }] })).toEqual([
      {
        path: 'rules.0.conditions.0.any.0.all.0.variants.0',
        message:
          '"xyz" is not a variant of flag "theme", so it never matches: its variants are "light", "dark"',
      },
    ]);
    expect(await warningsFor(requires('light', 'dark'))).toEqual([]);
    await server.api('DELETE', '/flags/theme');
  });
});

describe('a percentage below 1', () => {
  it.each([
    [0.5, 50],
    [0.07, 7],
    [0.125, 12.5],
    [0.999, 99.9],
  ])('of %d earns a warning with the percentage %d', async (percentage, meant) => {
    expect(await warningsOf({ percentage })).toEqual([
      { path: 'rules.0.percentage', message: expect.stringContaining(`send ${meant}`) },
    ]);
  });

  it.each([1, 1.5, 50])('does not include %d', async percentage => {
    expect(await warningsOf({ percentage })).toEqual([]);
  });
});

describe('a path into a list', () => {
  it.each([
    ['roles.0', 'use "roles"'],
    ['user.roles.12', 'use "user.roles"'],
    ['roles[0]', 'use "roles"'],
    ['roles[]', 'use "roles"'],
    ['orders.0.total', 'send the values of "total"'],
  ])('%s earns a warning', async (attribute, remedy) => {
    expect(await warningsFor(on(attribute, 'exists'))).toEqual([
      { path: 'rules.0.conditions.0.attribute', message: expect.stringContaining(remedy) },
    ]);
  });

  it('earns one in groups and as the attribute to bucket by', async () => {
    expect(
      await warningsOf({ conditions: [{ any: [on('a.0', 'exists')] }], bucketBy: 'a.1' }),
    ).toMatchObject([
      { path: 'rules.0.bucketBy' },
      { path: 'rules.0.conditions.0.any.0.attribute' },
    ]);
  });

  it.each(['roles', 'user.roles', 'line1.city', '0', '2024'])('%s is not one', async attribute => {
    expect(await warningsFor(on(attribute, 'exists'))).toEqual([]);
  });
});

describe('a list that is written as one string', () => {
  it.each([
    ['equals', 'AT, CH', 'value', 'use "in" with ["AT", "CH"]'],
    ['notEquals', 'AT,CH,DE,FR', 'value', 'use "notIn" with ["AT", "CH", "DE", …]'],
    ['in', ['AT', 'CH;DE'], 'value.1', 'separate the values: ["CH", "DE"]'],
    ['notIn', ['["AT", "CH"]'], 'value.0', '["AT", "CH"]'],
  ])('earns a warning with %s %j', async (operator, value, path, remedy) => {
    expect(await warningsFor(on('country', operator, value))).toEqual([
      { path: `rules.0.conditions.0.${path}`, message: expect.stringContaining(remedy) },
    ]);
  });

  it.each([
    ['equals', 'Hello, new world'],
    ['equals', '1,000'],
    ['contains', 'a,b'],
    ['in', ['AT', 'CH']],
    ['equals', ','],
  ])('does not include %s %j', async (operator, value) => {
    expect(await warningsFor(on('country', operator, value))).toEqual([]);
  });
});

it('a list of several types earns a warning', async () => {
  expect(await warningsFor(on('a', 'in', ['1', 2]))).toEqual([
    {
      path: 'rules.0.conditions.0.value',
      message: expect.stringContaining('mixes types (string, number)'),
    },
  ]);
});

it('an empty list that always holds, or is in a group, earns a warning', async () => {
  const warnings = await warningsFor(on('a', 'notIn', []), { any: [on('b', 'in', [])] });
  expect(warnings).toEqual([
    {
      path: 'rules.0.conditions.0.value',
      message: expect.stringContaining('always holds'),
    },
    {
      path: 'rules.0.conditions.1.any.0.value',
      message: expect.stringContaining('never holds'),
    },
  ]);
  expect(await warningsFor(on('a', 'in', []))).toMatchObject([
    { path: 'rules' },
    { path: 'rules.0' },
  ]);
});

describe('an attribute that other conditions compare as another type', () => {
  it.each([
    [on('age', 'greaterThan', 5), on('age', 'startsWith', '1')],
    [on('age', 'equals', 5), on('age', 'equals', '5')],
    [on('age', 'in', [1, 2]), on('age', 'before', '2026-01-01T00:00:00Z')],
    [on('age', 'equals', true), on('age', 'equals', 'true')],
    [on('age', 'lessThan', 1), on('age', 'semverLessThan', '1.0.0')],
    [on('age', 'lessThan', 1), { any: [on('age', 'inCidr', '10.0.0.0/8')] }],
  ])('in another rule earns a warning for both: %j, %j', async (a, b) => {
    const warnings = await warningsOf({ conditions: [a] }, { conditions: [b], variant: 'off' });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]?.path).toBe('rules.0.conditions.0');
    expect(warnings[0]?.message).toMatch(/flag "w\d+" \(rules\.1\.conditions\.0(\.any\.0)?\)/);
    expect(warnings[0]?.message).toContain('never holds');
    expect(warnings[1]?.message).toContain('(rules.0.conditions.0)');
  });

  it.each([
    [on('age', 'greaterThan', 5), on('age', 'in', [1])],
    [on('age', 'matches', 'x'), on('age', 'equals', 'y')],
    [on('age', 'exists'), on('age', 'equals', 'y')],
    [on('age', 'equals', 'x'), on('size', 'equals', 1)],
  ])('does not include %j and %j', async (a, b) => {
    expect(await warningsOf({ conditions: [a] }, { conditions: [b], variant: 'off' })).toEqual([]);
  });

  it('states that a negated condition always holds', async () => {
    const other = { conditions: [on('age', 'equals', 'old')], variant: 'off' };
    for (const condition of [on('age', 'notEquals', 5), on('age', 'greaterThan', 5, true)]) {
      const [warning] = await warningsOf({ conditions: [condition] }, other);
      expect(warning?.message).toContain('always holds');
    }
  });

  it('in another flag or segment of the environment earns a warning', async () => {
    await using own = await startServer();
    const conditions = [on('plan', 'equals', 'pro')];
    const flag = { enabled: true, rules: [{ conditions }] };
    await own.api('POST', '/segments', { body: { key: 's', conditions } });
    const numeric = [on('plan', 'greaterThan', 2)];
    const created = await own.api('POST', '/flags', {
      body: { key: 'f', enabled: true, rules: [{ conditions: numeric }] },
    });
    expect(created.body.warnings).toEqual([
      {
        path: 'rules.0.conditions.0',
        message: expect.stringContaining('segment "s" (conditions.0)'),
      },
    ]);
    const segment = await own.api('PATCH', '/segments/s', { body: { description: 'x' } });
    expect(segment.body.warnings).toEqual([
      {
        path: 'conditions.0',
        message: expect.stringContaining('flag "f" (rules.0.conditions.0)'),
      },
    ]);
    await own.api('POST', '/flags', { body: { key: 'g', ...flag } });
    await own.api('DELETE', '/segments/s');
    const again = await own.api('PATCH', '/flags/f', { body: { description: 'x' } });
    expect(again.body.warnings).toMatchObject([
      { message: expect.stringContaining('flag "g" (rules.0.conditions.0)') },
    ]);
    const elsewhere = await own.request('POST', '/api/v1/flags?environment=development', {
      body: { key: 'h', ...flag },
    });
    expect(elsewhere.body).not.toHaveProperty('warnings');
  });
});

describe('conditions of one rule that contradict each other', () => {
  const all = (...members: object[]) => ({ all: members });
  const not = (group: object) => ({ ...group, not: true });

  it.each([
    [on('a', 'equals', 'x'), on('a', 'equals', 'y')],
    [on('a', 'in', ['x', 'y']), on('a', 'equals', 'z')],
    [on('a', 'in', ['x']), on('a', 'in', ['y'])],
    [on('a', 'greaterThan', 10), on('a', 'lessThan', 5)],
    [on('a', 'greaterThan', 10), on('a', 'lessThan', 10)],
    [on('a', 'greaterThan', 10), on('a', 'lessOrEqual', 10)],
    [on('a', 'after', '2026-02-01T00:00:00Z'), on('a', 'before', '2026-01-01T00:00:00Z')],
    [on('a', 'after', '2026-01-01T01:00:00+01:00'), on('a', 'before', '2026-01-01T00:00:00Z')],
    [on('a', 'equals', 3), on('a', 'greaterThan', 5)],
    [on('a', 'equals', 'abc'), on('a', 'startsWith', 'x')],
    [on('a', 'startsWith', 'a'), on('a', 'startsWith', 'b')],
    [on('a', 'greaterThan', 3), on('a', 'contains', '5')],
    [on('a', 'equals', '5'), on('a', 'greaterThan', 3)],
  ])('earn a warning, with the exception of lists: %j, %j', async (a, b) => {
    for (const conditions of [[a, b], [all(a), all(b)], [not({ any: [not(a), not(b)] })]]) {
      const warnings = await warningsFor(...conditions);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]?.message).toMatch(/never holds together with rules\.0\.conditions\.0/);
      expect(warnings[0]?.message).toContain('unless "a" is a list');
      expect(warnings[0]?.path).toMatch(/^rules\.0\.conditions\.\d/);
    }
  });

  it.each([
    [on('a', 'equals', 'x'), on('a', 'notEquals', 'x')],
    [on('a', 'equals', 'x'), on('a', 'equals', 'x', true)],
    [on('a', 'in', ['x', 'y']), on('a', 'notIn', ['x', 'y', 'z'])],
    [on('a', 'greaterThan', 10), on('a', 'greaterThan', 5, true)],
    [on('a', 'lessThan', 10), on('a', 'lessOrEqual', 10, true)],
    [on('a', 'equals', 7), on('a', 'greaterThan', 5, true)],
    [on('a', 'exists'), on('a', 'exists', undefined, true)],
    [on('a', 'exists', undefined, true), on('a', 'startsWith', 'x')],
    [on('a', 'matches', 'x'), on('a', 'matches', 'x', true)],
  ])('earn a warning for every attribute: %j, %j', async (a, b) => {
    const warnings = await warningsFor(a, b);
    expect(warnings).toMatchObject([{ path: 'rules.0.conditions.1' }]);
    expect(warnings[0]?.message).not.toContain('unless');
  });

  it('earn one warning with all of them', async () => {
    const warnings = await warningsFor(
      on('a', 'in', [1, 2]),
      on('a', 'notEquals', 1),
      on('b', 'exists'),
      on('a', 'notEquals', 2),
    );
    expect(warnings).toEqual([
      {
        path: 'rules.0.conditions.3',
        message: expect.stringContaining('rules.0.conditions.0 and rules.0.conditions.1'),
      },
    ]);
  });

  it('earn a warning if one of them is in a group', async () => {
    const warnings = await warningsFor(on('a', 'equals', 'x'), {
      any: [on('a', 'equals', 'y'), on('b', 'exists')],
    });
    expect(warnings).toMatchObject([{ path: 'rules.0.conditions.1.any.0' }]);
  });

  it('earn a warning if they are long lists, of values of one type', async () => {
    const list = (length: number, valueOf: (index: number) => unknown) =>
      Array.from({ length }, (_, index) => valueOf(index));
    const numbers = on('a', 'in', list(5_000, Number));
    expect(await warningsFor(numbers, on('a', 'in', list(5_000, String)))).not.toEqual([]);
    expect(await warningsFor(numbers, on('a', 'notIn', list(5_000, Number)))).toHaveLength(1);
    expect(await warningsFor(numbers, on('a', 'notIn', list(4_999, Number)))).toEqual([]);
  });

  it('earn at most 50 warnings', async () => {
    const prefixes = Array.from({ length: 48 }, (_, index) => on('a', 'startsWith', `${index}.`));
    expect(await warningsFor(...prefixes)).toHaveLength(50);
  });

  it('earn a warning in a segment', async () => {
    const conditions = [on('c', 'equals', 'x'), on('c', 'equals', 'y')];
    const body = { key: 'contradiction', conditions };
    const created = await server.api('POST', '/segments', { body });
    expect(created.body.warnings).toMatchObject([{ path: 'conditions.1' }]);
    await server.api('DELETE', '/segments/contradiction');
  });

  it.each([
    [on('a', 'equals', 'x'), on('b', 'equals', 'y')],
    [on('a', 'equals', 'x'), on('a', 'notEquals', 'y')],
    [on('a', 'equals', 'x'), on('a', 'in', ['x', 'y'])],
    [on('a', 'notEquals', 'x'), on('a', 'notEquals', 'y')],
    [on('a', 'greaterThan', 5), on('a', 'lessThan', 10)],
    [on('a', 'greaterOrEqual', 5), on('a', 'lessOrEqual', 5)],
    [on('a', 'greaterThan', 10, true), on('a', 'lessThan', 5)],
    [on('a', 'greaterThan', 3), on('a', 'greaterThan', 5, true)],
    [on('a', 'after', '2026-01-01T00:00:00Z'), on('a', 'before', '2026-02-01T00:00:00Z')],
    [on('a', 'startsWith', 'a'), on('a', 'startsWith', 'ab')],
    [on('a', 'startsWith', 'a'), on('a', 'endsWith', 'b')],
    [on('a', 'contains', 'a'), on('a', 'contains', 'b')],
    [on('a', 'exists', undefined, true), on('a', 'notEquals', 'b')],
    [on('a', 'semverGreaterThan', '1.0.0'), on('a', 'semverLessThan', '2.0.0')],
    [{ any: [on('a', 'equals', 'x'), on('a', 'equals', 'y')] }, on('b', 'exists')],
    [not(all(on('a', 'equals', 'x'), on('a', 'equals', 'y'))), on('b', 'exists')],
  ])('do not include %j and %j', async (a, b) => {
    expect(await warningsFor(a, b)).toEqual([]);
  });
});

it('a flag has at most 50 warnings', async () => {
  const rules = Array.from({ length: 60 }, (_, index) => ({ percentage: 0.5, seed: `s${index}` }));
  expect(await warningsOf(...rules)).toHaveLength(50);
});

it('warnings are in the preview of a copy, but not in what is read', async () => {
  const body = { key: 'preview', enabled: true, rules: [{ percentage: 0.5 }] };
  await server.api('POST', '/flags', { body });
  const copy = { to: 'development', dryRun: true };
  const preview = await server.api('POST', '/flags/preview/copy', { body: copy });
  expect(preview.body.warnings).toMatchObject([{ path: 'rules.0.percentage' }]);
  expect((await server.api('GET', '/flags/preview')).body).not.toHaveProperty('warnings');
});

it('a flag of another type in another environment earns a warning, for callers who may read that one', async () => {
  const elsewhere = '/api/v1/flags?environment=development';
  const variants = { a: 'x' };
  const other = { key: 'typed', enabled: true, type: 'string', variants, defaultVariant: 'a' };
  await server.request('POST', elsewhere, { body: other });
  const create = async (key: string) => {
    const body = { key: 'typed', enabled: true };
    const created = await server.api('POST', '/flags', { key, body });
    await server.api('DELETE', '/flags/typed');
    return created.body.warnings;
  };
  expect(await create(await server.keyOf('editor', '*'))).toEqual([
    { path: 'type', message: 'is "boolean" here and "string" in environment "development"' },
  ]);
  expect(await create(await server.keyOf('admin', 'production'))).toBeUndefined();
});
