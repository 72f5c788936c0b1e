import { compile, evaluate } from '@pennon/engine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { useServer } from './server.ts';
import {
  context,
  flagdOutcome,
  flagsOf,
  hashedFlagsOf,
  loadFlagd,
  pennonOutcome,
  segments,
  type FlagTypeName,
} from './support.ts';

const { request, keyOf, importFile, replaceAll, readDocument, flagSetOf } = useServer();

const SWITCH = { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'off' };
const withTargeting = (targeting: unknown) => ({ ...SWITCH, targeting });
const onIf = (condition: unknown) => withTargeting({ if: [condition, 'on', 'off'] });

/** Imports one flag, and returns its rules. */
const rulesFrom = async (flag: unknown, others: object = {}) => {
  const { status, text } = await importFile({ flags: { a: flag }, ...others });
  expect([status, text]).toEqual([200, expect.any(String)]);
  return (await flagSetOf()).flags.a.rules;
};

describe('an import of a file of flagd', () => {
  it.each([
    ['without hashed rules', flagsOf(8)],
    ['with hashed rules', hashedFlagsOf(8)],
  ])('restores what the export wrote, %s', async (_, generatedFlags) => {
    await fc.assert(
      fc.asyncProperty(
        generatedFlags,
        segments,
        fc.array(context, { minLength: 10, maxLength: 10 }),
        async (flags, ownSegments, contexts) => {
          await replaceAll(flags, ownSegments);
          const exported = JSON.parse(await readDocument());
          const imported = await importFile(
            { ...exported, omitted: undefined },
            'environment=development&overwrite=true',
          );
          expect([imported.status, imported.text]).toEqual([200, expect.any(String)]);
          const before = compile(await flagSetOf());
          const after = compile(await flagSetOf('development'));
          for (const key of Object.keys(exported.flags))
            for (const each of contexts)
              expect(pennonOutcome(evaluate(after, key, each)), key).toEqual(
                pennonOutcome(evaluate(before, key, each)),
              );
        },
      ),
      { numRuns: 15, endOnFailure: true },
    );
  });

  const plan = { var: 'plan' };
  const FOREIGN: Readonly<Record<string, object>> = {
    equal: onIf({ '==': [plan, 'pro'] }),
    'equal, the other way round': onIf({ '===': ['pro', plan] }),
    different: onIf({ '!=': [plan, 'pro'] }),
    missing: onIf({ '==': [plan, null] }),
    present: onIf({ '!==': [plan, null] }),
    list: onIf({ in: [plan, ['pro', 'team']] }),
    part: onIf({ in: ['ro', plan] }),
    start: onIf({ starts_with: [plan, 'pr'] }),
    end: onIf({ ends_with: [plan, 'ro'] }),
    version: onIf({ sem_ver: [{ var: 'version' }, '>=', '1.2.3'] }),
    'another version': onIf({ sem_ver: [{ var: 'version' }, '!=', '1.2.3'] }),
    'the same major version': onIf({ sem_ver: [{ var: 'version' }, '^', '1.2.3'] }),
    'the same minor version': onIf({ sem_ver: [{ var: 'version' }, '~', '1.2.3'] }),
    above: onIf({ '>': [{ var: 'age' }, 17] }),
    'above, the other way round': onIf({ '>': [18, { var: 'age' }] }),
    between: onIf({ '<=': [10, { var: 'age' }, 20] }),
    'below, which 0 and a missing number are': onIf({ '<': [{ var: 'age' }, 18] }),
    'above, which a missing number is': onIf({ '>': [{ var: 'nothing' }, -1] }),
    groups: onIf({
      and: [{ or: [{ '==': [plan, 'pro'] }, { '!': [{ '>': [{ var: 'age' }, 17] }] }] }, true],
    }),
    nested: withTargeting({
      if: [
        { '==': [plan, 'pro'] },
        { if: [{ '>=': [{ var: 'age' }, 18] }, 'on', null] },
        { '==': [plan, 'team'] },
        'on',
      ],
    }),
    evaluator: onIf({ $ref: 'isPro' }),
    'an attribute in a list': onIf({ '==': [{ var: ['plan'] }, 'pro'] }),
    'an attribute in a list with null': onIf({ in: ['ro', { var: ['plan', null] }] }),
    'an order of an attribute in a list': onIf({ '<': [10, { var: ['age'] }, 20] }),
    'a version of an attribute in a list': onIf({ sem_ver: [{ var: ['version'] }, '^', '1.0.0'] }),
    'an attribute in a list of an evaluator': onIf({ $ref: 'isTeam' }),
    'a negation without a list': onIf({ '!': { '===': [plan, 'pro'] } }),
    'two negations without a list': onIf({ '!!': { '===': [plan, 'pro'] } }),
    'a negation in a list': onIf({ '!!': [{ '!': [{ '===': [plan, 'pro'] }] }] }),
    'some item': onIf({ some: [{ var: 'tags' }, { '==': [{ var: '' }, 'new'] }] }),
    'some item, in lists': onIf({ some: [{ var: ['tags'] }, { in: [{ var: [''] }, ['new']] }] }),
    'the only value': onIf({ some: [{ merge: [plan] }, { '===': [{ var: '' }, 'pro'] }] }),
    'no item': onIf({ none: [{ var: 'tags' }, { '===': ['new', { var: '' }] }] }),
    'some number': onIf({ some: [{ var: 'counts' }, { '>': [2, { var: '' }] }] }),
    'a text as variant': {
      state: 'ENABLED',
      variants: { true: true, false: false },
      defaultVariant: 'false',
      targeting: { starts_with: [plan, 'pr'] },
    },
    'a boolean as variant': {
      state: 'ENABLED',
      variants: { true: true, false: false },
      defaultVariant: 'false',
      targeting: { '==': [plan, 'pro'] },
    },
    'no targeting': { ...SWITCH, targeting: {} },
    disabled: { ...SWITCH, state: 'DISABLED' },
    'default of the code': { state: 'ENABLED', variants: { on: 1.5 }, defaultVariant: null },
    'no default variant': { state: 'ENABLED', variants: { on: { a: [1] } } },
  };

  it('is evaluated as flagd evaluates it', async () => {
    const flags = Object.fromEntries(Object.values(FOREIGN).map((flag, at) => [`f${at}`, flag]));
    const $evaluators = {
      isPro: { '==': [plan, 'pro'] },
      isTeam: { '==': [{ var: ['plan'] }, 'team'] },
    };
    const file = { flags, $evaluators };
    expect((await importFile(file)).status).toBe(200);
    const core = loadFlagd(JSON.stringify(file));
    const flagSet = await flagSetOf();
    const compiled = compile(flagSet);
    const contexts = ['pro', 'team', 'free', undefined].flatMap(own =>
      [
        { age: 5, version: '1.2.3' },
        { age: 10, version: '1.3.0-rc.1' },
        { age: 18, version: '2.0.0' },
        { age: 17.5, version: 'none' },
        { age: 20, version: '1.2.9', tags: ['old', 'new'], counts: [1, 5] },
        { age: 1, version: '1.2.3', tags: ['old'], counts: [7] },
      ].map(others => ({ targetingKey: 'ada', ...others, ...(own && { plan: own }) })),
    );
    for (const [at, name] of Object.keys(FOREIGN).entries())
      for (const each of contexts)
        expect({ name, each, outcome: pennonOutcome(evaluate(compiled, `f${at}`, each)) }).toEqual({
          name,
          each,
          outcome: flagdOutcome(core, `f${at}`, flagSet.flags[`f${at}`].type as FlagTypeName, each),
        });
  });

  it('keeps the shares of a fractional rule', async () => {
    const fractional = (...operands: unknown[]) => withTargeting({ fractional: operands });
    expect(await rulesFrom(fractional(['on', 25], ['off', 75]))).toEqual([
      {
        id: 'rule-1',
        conditions: [],
        split: [
          { variant: 'on', weight: 1 },
          { variant: 'off', weight: 3 },
        ],
      },
    ]);
    expect(await rulesFrom(fractional({ var: 'email' }, ['on'], ['off', 2]))).toMatchObject([
      { bucketBy: 'email', split: [{ weight: 1 }, { weight: 2 }] },
    ]);
    expect(
      await rulesFrom(fractional({ cat: [{ var: '$flagd.flagKey' }, { var: 'email' }] }, ['on'])),
    ).toMatchObject([{ bucketBy: 'email', split: [{ variant: 'on' }] }]);
    expect(
      await rulesFrom(fractional({ cat: ['spring', { var: 'email' }] }, ['on'])),
    ).toMatchObject([{ bucketBy: 'email', seed: 'spring' }]);
    const listed = { cat: [{ var: ['$flagd.flagKey'] }, { var: ['email'] }] };
    expect(await rulesFrom(fractional(listed, ['on']))).toMatchObject([{ bucketBy: 'email' }]);
  });

  it("reads the sample of flagd's documentation", async () => {
    const sample = {
      $schema: 'https://flagd.dev/schema/v0/flags.json',
      flags: {
        headerColor: {
          variants: { red: '#FF0000', blue: '#0000FF', green: '#00FF00', yellow: '#FFFF00' },
          defaultVariant: 'red',
          state: 'ENABLED',
          targeting: {
            if: [
              { $ref: 'emailWithFaas' },
              {
                fractional: [
                  { cat: [{ var: '$flagd.flagKey' }, { var: 'email' }] },
                  ['red', 25],
                  ['blue', 25],
                  ['green', 25],
                  ['yellow', 25],
                ],
              },
              null,
            ],
          },
        },
        backgroundColor: {
          variants: { white: '#FFF', black: '#000' },
          defaultVariant: 'white',
          state: 'ENABLED',
          targeting: { if: [{ '==': [{ var: ['color'] }, 'dark'] }, 'black', 'white'] },
        },
      },
      $evaluators: { emailWithFaas: { in: ['@faas.com', { var: ['email'] }] } },
    };
    const { status, text } = await importFile(sample);
    expect([status, text]).toEqual([200, expect.any(String)]);
    const compiled = compile(await flagSetOf());
    expect(evaluate(compiled, 'headerColor', { email: 'a@b.c' })).toMatchObject({ variant: 'red' });
    expect(evaluate(compiled, 'headerColor', { email: 'a@faas.com' })).toMatchObject({
      reason: 'SPLIT',
    });
    expect(evaluate(compiled, 'backgroundColor', { color: 'dark' })).toMatchObject({
      variant: 'black',
    });
  });

  it('reads a list of flags too', async () => {
    const { body } = await importFile({ flags: [{ key: 'a', ...SWITCH }] });
    expect(body.environments[0]).toMatchObject({ key: 'production', outcome: 'create' });
    expect((await flagSetOf()).flags.a).toMatchObject({
      type: 'boolean',
      enabled: true,
      defaultVariant: 'off',
      rules: [],
    });
  });

  it('changes nothing if repeated, and needs overwrite to replace other flags', async () => {
    const file = { flags: { a: SWITCH } };
    const first = await importFile(file, 'environment=production');
    expect(first.body.environments).toMatchObject([{ outcome: 'create' }]);
    const { id } = await flagSetOf();
    const repeated = await importFile(file, 'environment=production');
    expect(repeated.body.environments).toMatchObject([{ outcome: 'unchanged', changes: [] }]);
    expect((await flagSetOf()).id).toBe(id);
    const other = { flags: { a: { ...SWITCH, state: 'DISABLED' }, b: SWITCH } };
    expect((await importFile(other, 'environment=production')).status).toBe(409);
    const dryRun = await importFile(other, 'environment=production&overwrite=true&dryRun=true');
    expect(dryRun.body.environments[0].changes).toMatchObject([
      {
        key: 'a',
        change: 'change',
        differences: [{ path: 'enabled' }, { path: 'version' }, { path: 'updatedAt' }],
      },
      { key: 'b', change: 'add' },
    ]);
  });

  it('goes to the environment of the key, or to the one in the query', async () => {
    const admin = await keyOf('admin', 'production');
    const body = { flags: { a: SWITCH } };
    const own = await request('POST', '/api/v1/import', { key: admin, body });
    expect(own.body.environments).toMatchObject([{ key: 'production', outcome: 'create' }]);
    const path = '/api/v1/import?environment=development';
    expect((await request('POST', path, { key: admin, body })).status).toBe(403);
    expect((await request('POST', path, { body })).status).toBe(200);
    const unnamed = await request('POST', '/api/v1/import', { body });
    expect([unnamed.status, unnamed.body.error.message]).toEqual([
      400,
      expect.stringContaining('environment is missing: name the environment'),
    ]);
    const exported = await request('GET', '/api/v1/export');
    const named = await request('POST', path, { body: exported.body });
    expect([named.status, named.body.error.message]).toEqual([
      400,
      expect.stringContaining('environment is only for a file of flagd'),
    ]);
  });

  const UNREADABLE = [
    '$flagd.timestamp',
    '$flagd.flagKey',
    'tags.0',
    'tags.length',
    'a..b',
    'a\\.b',
  ];
  const onlyOn = { state: 'ENABLED', variants: { on: true } };
  it.each<readonly [string, object, string]>([
    [
      'an unknown operator',
      onIf({ missing: ['a'] }),
      'targeting has a part that Pennon cannot express: {"missing":["a"]}',
    ],
    ['the name of a method', onIf({ constructor: [1] }), 'has a part that Pennon cannot express'],
    [
      'arithmetic',
      onIf({ '==': [{ '%': [{ var: 'a' }, 2] }, 0] }),
      'has a part that Pennon cannot express',
    ],
    [
      'the truth of a value',
      onIf({ var: 'beta' }),
      'must compare an attribute with a value, such as true',
    ],
    ['an order of texts', onIf({ '<': [{ var: 'a' }, 'b'] }), 'must compare only numbers by order'],
    [
      'two attributes',
      onIf({ '==': [{ var: 'a' }, { var: 'b' }] }),
      'must compare an attribute with a constant',
    ],
    [
      'an unknown variant',
      withTargeting({ if: [true, 'blue'] }),
      'serves "blue", which is not a variant',
    ],
    ['an unknown evaluator', onIf({ $ref: 'x' }), 'the evaluator "x", which the file lacks'],
    [
      'a circular evaluator',
      onIf({ $ref: 'loop' }),
      'refers in the evaluator "loop" to "loop", which must be a later evaluator',
    ],
    [
      'a computed weight',
      withTargeting({
        fractional: [
          ['on', { '+': [1, 1] }],
          ['off', 1],
        ],
      }),
      'must have a whole number from 0 as weight',
    ],
    [
      'a computed unit',
      withTargeting({ fractional: [{ cat: [{ var: 'a' }, { var: 'b' }] }, ['on']] }),
      'must bucket by one attribute',
    ],
    [
      'too small shares',
      withTargeting({
        fractional: [
          ['on', 1],
          ['off', 1_000_000],
        ],
      }),
      'rules.0.split.1.weight',
    ],
    [
      'a fraction as weight',
      withTargeting({
        fractional: [
          ['on', 0.5],
          ['off', 0.5],
        ],
      }),
      'must have a whole number from 0 as weight',
    ],
    [
      'a third part of a share',
      withTargeting({ fractional: [['on', 1, 1]] }),
      'must have a variant and a weight in each share',
    ],
    ...UNREADABLE.map(
      name =>
        [
          `the attribute ${name}`,
          onIf({ '==': [{ var: [name] }, 1] }),
          `targeting reads an attribute that Pennon cannot read as flagd does: ${JSON.stringify({ var: name })}`,
        ] as const,
    ),
    [
      'such an attribute of a version',
      onIf({ sem_ver: [{ var: 'versions.0' }, '=', '1.2.3'] }),
      'cannot read as flagd does: {"var":"versions.0"}',
    ],
    [
      'such an attribute with items',
      onIf({ some: [{ merge: [{ var: 'tags.0' }] }, { '===': [{ var: '' }, 'a'] }] }),
      'cannot read as flagd does: {"var":"tags.0"}',
    ],
    [
      'such a bucketing value',
      withTargeting({ fractional: [{ var: '$flagd.flagKey' }, ['on']] }),
      'cannot read as flagd does: {"var":"$flagd.flagKey"}',
    ],
    [
      'such a bucketing value after a text',
      withTargeting({ fractional: [{ cat: ['a', { var: 'ids.0' }] }, ['on']] }),
      'cannot read as flagd does: {"var":"ids.0"}',
    ],
    [
      'a default value of an attribute',
      onIf({ '==': [{ var: ['a', 'x'] }, 'x'] }),
      'must read an attribute without a default value: {"var":["a","x"]}',
    ],
    [
      'a third operand',
      onIf({ '==': [{ var: 'a' }, 1, 1] }),
      'has too few or too many operands: {"==":[{"var":"a"},1,1]}',
    ],
    [
      'an operand without a list of "and"',
      onIf({ and: { '==': [{ var: 'a' }, 1] } }),
      'must have its operands in a list: {"and":{"==":[{"var":"a"},1]}}',
    ],
    [
      'an operand without a list of "or"',
      onIf({ '!': { or: { '==': [{ var: 'a' }, 1] } } }),
      'must have its operands in a list: {"or":',
    ],
    ['a share without a list', withTargeting({ fractional: 'on' }), 'its operands in a list'],
    [
      'a missing value that may equal 0',
      onIf({ '==': [{ var: 'a' }, 0] }),
      'must compare 0 and false by "==="',
    ],
    [
      'a missing value that may differ from false',
      onIf({ '!=': [{ var: 'a' }, false] }),
      'must compare 0 and false by "!=="',
    ],
    [
      'a third operand of an item',
      onIf({ some: [{ var: 'a' }, { '>': [{ var: '' }, 2, 1] }] }),
      'has a part that Pennon cannot express: {">":[{"var":""},2,1]}',
    ],
    [
      'a reference with other members',
      onIf({ $ref: 'good', not: true }),
      'must have only "$ref", with a name without quotes and backslashes',
    ],
    [
      'an evaluator that refers to an earlier one',
      onIf({ $ref: 'later' }),
      'refers in the evaluator "later" to "good", which must be a later evaluator',
    ],
    [
      'an evaluator whose text flagd changes',
      onIf({ $ref: 'dollars' }),
      'the evaluator "dollars", in which flagd replaces a "$"',
    ],
    [
      'a value with a reference',
      { ...onlyOn, variants: { on: { $ref: 'good' } } },
      'variants must have no member "$ref"',
    ],
    [
      'weights above those of flagd',
      withTargeting({ fractional: [['on', 2 ** 31 - 1], ['off']] }),
      'must have weights from 1 to 2147483647 in total: 2147483648',
    ],
    [
      'weights of 0',
      withTargeting({ fractional: [['on', 0]] }),
      'must have weights from 1 to 2147483647 in total: 0',
    ],
    [
      'a weight below 0',
      withTargeting({
        fractional: [
          ['on', 2],
          ['on', -1],
        ],
      }),
      'must have a whole number from 0 as weight: -1',
    ],
    [
      'an invalid version',
      onIf({ sem_ver: [{ var: 'a' }, '~', '1.2.3-01'] }),
      'must compare a version with a complete one',
    ],
    [
      'a version with a number that flagd cannot read',
      onIf({ sem_ver: [{ var: 'a' }, '^', '1.2.9999999999999999'] }),
      'must compare a version with a complete one',
    ],
    [
      'a percentage with more decimals than Pennon has',
      onIf({
        '===': [
          {
            fractional: [
              ['in', 1],
              ['out', 2],
            ],
          },
          'in',
        ],
      }),
      'must admit a multiple of 0.001 %',
    ],
    [
      'two operators in one part',
      onIf({ '!': [{ '===': [plan, 'a'], '!==': [plan, 'b'] }] }),
      'must have one operator: {"===":[{"var":"plan"},"a"],"!==":[{"var":"plan"},"b"]}',
    ],
    [
      'an unknown operator that is never reached',
      withTargeting({ if: [false, { unknown: ['a'] }, 'on'] }),
      'has a part that Pennon cannot express: {"unknown":["a"]}',
    ],
    ['no operand', onIf({ and: [] }), 'has too few or too many operands: {"and":[]}'],
    [
      'the truth of a value in a list',
      onIf({ '!!': [{ var: 'beta' }] }),
      'must compare an attribute with a value, such as true',
    ],
    [
      'items of two attributes',
      onIf({ some: [{ merge: [{ var: 'a' }, { var: 'b' }] }, { '===': [{ var: '' }, 1] }] }),
      'has a part that Pennon cannot express',
    ],
    [
      'items that are null',
      onIf({ some: [{ var: 'a' }, { '===': [{ var: '' }, null] }] }),
      'must compare an attribute with a constant',
    ],
    [
      'a test without the item',
      onIf({ some: [{ var: 'a' }, { '>': [2, 1] }] }),
      'must compare only numbers by order',
    ],
    [
      'an incomplete version',
      onIf({ sem_ver: [{ var: 'a' }, '^', '1.2.x'] }),
      'must compare a version with a complete one',
    ],
    [
      'a condition that can be null as the result',
      {
        state: 'ENABLED',
        variants: { true: true, false: false },
        defaultVariant: 'true',
        targeting: { and: [{ starts_with: [{ var: 'a' }, 'x'] }, true] },
      },
      'must be in an "if", because it is neither true nor false for some values',
    ],
    [
      'null before others',
      { ...onlyOn, targeting: { if: [{ '==': [{ var: 'a' }, 1] }, null, 'on'] } },
      'needs a "defaultVariant"',
    ],
    [
      'a list as value',
      { ...onlyOn, variants: { on: [1] } },
      'variants.on must be a string, a number, a boolean or a JSON object',
    ],
    [
      'values of two types',
      { ...onlyOn, variants: { a: 1, b: 'x' } },
      'variants must all have values of the same type',
    ],
    ['an unknown state', { ...SWITCH, state: 'on' }, 'state must be one of'],
    [
      'an unknown default',
      { ...SWITCH, defaultVariant: 'x' },
      'defaultVariant the flag has no variant',
    ],
  ])('refuses %s, and names the flag', async (_, flag, message) => {
    const file = {
      flags: { good: SWITCH, bad: flag },
      $evaluators: {
        loop: { '!': { $ref: 'loop' } },
        good: { '===': [plan, 'pro'] },
        later: { '!': { $ref: 'good' } },
        dollars: { '===': [plan, '$$'] },
      },
    };
    const { status, body } = await importFile(file);
    expect(status).toBe(400);
    expect(body.error.message).toContain('flags.bad');
    expect(body.error.message).toContain(message);
    expect((await flagSetOf()).flags).toEqual({});
  });

  it('refuses segments with attributes that Pennon cannot read as flagd does', async () => {
    const $evaluators = { 'segment:new': { '==': [{ var: 'tags.0' }, 'new'] } };
    const { status, body } = await importFile({ flags: {}, $evaluators });
    expect([status, body.error.message]).toEqual([
      400,
      expect.stringContaining('$evaluators.segment:new reads an attribute that Pennon cannot read'),
    ]);
  });

  it('reports a missing bucketing value as an error, and reads an attribute with dots by its name first', async () => {
    const path = { var: 'user.plan' };
    await importFile({
      flags: {
        split: withTargeting({ fractional: [['on']] }),
        path: onIf({ '==': [path, 'pro'] }),
      },
    });
    const compiled = compile(await flagSetOf());
    expect(evaluate(compiled, 'split', {})).toMatchObject({ errorCode: 'TARGETING_KEY_MISSING' });
    const attributes = { user: { plan: 'pro' } };
    expect(evaluate(compiled, 'path', attributes)).toMatchObject({ variant: 'on' });
    expect(evaluate(compiled, 'path', { ...attributes, 'user.plan': 'free' })).toMatchObject({
      variant: 'off',
    });
  });

  it('refuses keys that Pennon does not allow, and a file with flags that an export left out', async () => {
    const key = await importFile({ flags: { 'a b': SWITCH } });
    expect([key.status, key.body.error.message]).toEqual([
      400,
      expect.stringContaining('flags.a b.key must consist of letters'),
    ]);
    const omitted = await importFile({ flags: {}, omitted: { a: 'flagd has nothing like it' } });
    expect([omitted.status, omitted.body.error.message]).toEqual([
      400,
      expect.stringContaining('omitted names flags that the file lacks'),
    ]);
  });

  it('refuses evaluators that multiply each other', async () => {
    const levels = Array.from({ length: 30 }, (_, at) => [
      `e${at}`,
      { or: [{ $ref: `e${at + 1}` }, { $ref: `e${at + 1}` }] },
    ]);
    const $evaluators = { ...Object.fromEntries(levels), e30: { '==': [plan, 'pro'] } };
    const { status, body } = await importFile({ flags: { a: onIf({ $ref: 'e0' }) }, $evaluators });
    expect([status, body.error.message]).toEqual([
      400,
      expect.stringContaining('is too large with the evaluators'),
    ]);
  });

  it('adds the metadata of the file to those of each flag, as flagd does', async () => {
    const file = {
      metadata: { flagSetId: 'shop', version: '3', team: 'shop', owner: 'all' },
      flags: { a: { ...SWITCH, metadata: { owner: 'ada' } }, b: SWITCH },
    };
    await importFile(file);
    const { flags } = await flagSetOf();
    expect([flags.a.metadata, flags.b.metadata]).toEqual([
      { team: 'shop', owner: 'ada' },
      { team: 'shop', owner: 'all' },
    ]);
  });

  it('refuses a list that has a flag twice', async () => {
    const { status, body } = await importFile({
      flags: [
        { key: 'a', ...SWITCH },
        { key: 'a', ...SWITCH },
      ],
    });
    expect([status, body.error.message]).toEqual([400, expect.stringContaining('"a"')]);
  });

  it('reads large files in its thread', async () => {
    const flags = Object.fromEntries(
      Array.from({ length: 400 }, (_, at) => [`f${at}`, onIf({ '==': [plan, `plan-${at}`] })]),
    );
    const { status, body } = await importFile({ flags });
    expect([status, body.environments[0].changes.length]).toEqual([200, 400]);
  });
});
