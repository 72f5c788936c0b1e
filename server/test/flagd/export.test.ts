import { readFileSync } from 'node:fs';

import { compile, evaluate } from '@pennon/engine';
import { Ajv, type AnySchema } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { NOW, useServer } from './server.ts';
import {
  context,
  flagdOutcome,
  flagsOf,
  hashedFlagsOf,
  loadFlagd,
  pennonOutcome,
  segments,
  type FlagTypeName,
  type Outcome,
} from './support.ts';

const PATH = '/flagd/v1/flags.json';

const { request, keyOf, replaceAll, readDocument, flagSetOf } = useServer();

/** Compares both evaluations of all flags that the document has. Returns how many were compared. */
const compareAll = async (
  flags: readonly { readonly key: string; readonly type: FlagTypeName }[],
  contexts: readonly object[],
  isExpected: (outcomes: Outcomes) => boolean,
): Promise<number> => {
  const document = await readDocument();
  const core = loadFlagd(document);
  const compiled = compile(await flagSetOf());
  const { flags: exported } = JSON.parse(document) as { flags: Record<string, unknown> };
  let compared = 0;
  for (const { key: flag, type } of flags) {
    for (const each of contexts) {
      const theirs = flagdOutcome(core, flag, type, each);
      if (exported[flag] === undefined) {
        expect(theirs).toBe('not found');
        continue;
      }
      compared += 1;
      const ours = pennonOutcome(evaluate(compiled, flag, each));
      const text = JSON.stringify(exported[flag]);
      if (!isExpected({ ours, theirs, text, context: each }))
        expect({ flag, context: each, ours, theirs }).toBe(text);
    }
  }
  return compared;
};

type Outcomes = {
  readonly ours: Outcome;
  readonly theirs: Outcome;
  /** The exported flag. */
  readonly text: string;
  readonly context: object;
};

const isSame = ({ ours, theirs }: Outcomes): boolean =>
  JSON.stringify(ours) === JSON.stringify(theirs);

/** An error is what the document promises if an attribute is a list of versions. */
const isListOfVersions = ({ theirs, text, context: attributes }: Outcomes): boolean =>
  theirs === 'error' &&
  text.includes('a list of versions is an error') &&
  JSON.stringify(attributes).includes('[');

const schemaOf = (name: string) =>
  JSON.parse(
    readFileSync(new URL(`../fixtures/flagd/${name}.json`, import.meta.url), 'utf8'),
  ) as AnySchema;
const isValid = new Ajv({ strict: false, schemas: [schemaOf('targeting')] }).compile(
  schemaOf('flags'),
);

const generated = { minLength: 20, maxLength: 20 };

describe('the document of flagd', () => {
  it('is evaluated by flagd as by Pennon, if no hash decides', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(
        flagsOf(12),
        segments,
        fc.array(context, generated),
        async (flags, ownSegments, contexts) => {
          await replaceAll(flags, ownSegments);
          compared += await compareAll(
            flags,
            contexts,
            outcomes => isSame(outcomes) || isListOfVersions(outcomes),
          );
          expect([isValid(JSON.parse(await readDocument())), isValid.errors]).toEqual([true, null]);
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
    expect(compared).toBeGreaterThan(4_000);
  });

  it('has the same variants and errors if a hash decides', async () => {
    await fc.assert(
      fc.asyncProperty(
        hashedFlagsOf(12),
        segments,
        fc.array(context, generated),
        async (flags, ownSegments, contexts) => {
          await replaceAll(flags, ownSegments);
          await compareAll(
            flags,
            contexts,
            outcomes =>
              isSame(outcomes) ||
              isListOfVersions(outcomes) ||
              (outcomes.text.includes('"fractional"') &&
                outcomes.ours !== 'error' &&
                outcomes.theirs !== 'error'),
          );
          expect([isValid(JSON.parse(await readDocument())), isValid.errors]).toEqual([true, null]);
        },
      ),
      { numRuns: 10, endOnFailure: true },
    );
  });

  it('serves the same shares if a hash decides, in two independent draws', async () => {
    const split = [
      { variant: 'on', weight: 1 },
      { variant: 'off', weight: 3 },
    ];
    await replaceAll([
      {
        key: 'rollout',
        variants: { on: true, off: false, none: false },
        defaultVariant: 'none',
        rules: [
          { id: 'a', conditions: [], percentage: 20, split },
          { id: 'b', conditions: [], percentage: 50, variant: 'on' },
        ],
      },
      {
        key: 'same-seed',
        seed: 'rollout',
        rules: [{ id: 'a', conditions: [], percentage: 50, variant: 'on' }],
      },
    ]);
    const core = loadFlagd(await readDocument());
    const counts: Record<string, number> = {};
    for (let at = 0; at < 20_000; at += 1) {
      const subject = { targetingKey: `user-${at}` };
      const { variant = '' } = core.resolveBooleanEvaluation('rollout', false, { ...subject });
      const same = core.resolveBooleanEvaluation('same-seed', false, { ...subject });
      counts[`${variant} ${same.value}`] = (counts[`${variant} ${same.value}`] ?? 0) + 1;
    }
    // A rule at 20 before one at 50 with the same seed: 20 % are split, and 30 % get the second rule.
    expect(Object.keys(counts).toSorted()).toEqual(['none false', 'off true', 'on true']);
    expect(counts['off true']).toBeGreaterThan(2_800);
    expect(counts['off true']).toBeLessThan(3_200);
    expect(counts['on true']).toBeGreaterThan(6_700);
    expect(counts['on true']).toBeLessThan(7_300);
    const { metadata, flags } = JSON.parse(await readDocument());
    expect(metadata['pennon.buckets']).toContain('to other subjects');
    expect(flags.rollout.metadata['pennon.differs']).toContain('to other subjects');
  });

  it('leaves out what flagd cannot express, with the reason, and flagd then finds no flag', async () => {
    const on = (fields: object) => ({
      rules: [{ id: 'r', conditions: [], variant: 'on', ...fields }],
    });
    const comparing = (operator: string, value: unknown, attribute = 'a') =>
      on({ conditions: [{ attribute, operator, value }] });
    const omitted: Readonly<Record<string, readonly [flag: object, reason: string]>> = {
      pattern: [comparing('matches', '^a'), 'flagd has nothing like the operator "matches"'],
      date: [comparing('before', NOW), 'flagd has nothing like the operator "before"'],
      network: [comparing('inCidr', '10.0.0.0/8'), 'the operator "inCidr"'],
      start: [comparing('startsWith', '🦩'), 'above U+FFFF'],
      replaced: [comparing('equals', '\uFFFD'), 'U+FFFD'],
      large: [comparing('semverEquals', `1.${'9'.repeat(16)}.0`), 'above 15 digits'],
      length: [comparing('equals', 1, 'user.length'), 'the attribute "user.length"'],
      index: [comparing('equals', 1, 'tags.0'), 'the attribute "tags.0"'],
      inherited: [comparing('exists', true, 'user.link.name'), 'the attribute "user.link.name"'],
      timestamp: [
        comparing('exists', true, '$flagd.timestamp'),
        'the attribute "$flagd.timestamp"',
      ],
      bucket: [on({ percentage: 5, bucketBy: 'a..b' }), 'the attribute "a..b"'],
      dependent: [
        on({ conditions: [{ flag: 'pattern', variants: ['on'] }] }),
        'the flag "pattern" cannot be exported: flagd has nothing like',
      ],
      member: [
        on({ conditions: [{ segment: 'dated' }] }),
        'the segment "dated" cannot be exported',
      ],
      reference: [
        { type: 'object', variants: { off: { $ref: 'isString' } }, defaultVariant: 'off' },
        'a member "$ref"',
      ],
      quotes: [
        { ...on({ variant: '"on"' }), variants: { '"on"': true, off: false } },
        'a rule serves "\\"on\\""',
      ],
    };
    const disabled = { key: 'disabled', enabled: false, ...comparing('matches', '^a') };
    await replaceAll(
      [...Object.entries(omitted).map(([name, [flag]]) => ({ key: name, ...flag })), disabled],
      [
        {
          key: 'dated',
          conditions: [{ attribute: 'a', operator: 'after', value: NOW }],
        },
      ],
    );
    const text = await readDocument();
    const document = JSON.parse(text);
    expect(document.omitted).toEqual(
      Object.fromEntries(
        Object.entries(omitted).map(([name, [, reason]]) => [
          name,
          expect.stringContaining(reason),
        ]),
      ),
    );
    expect(document.metadata['pennon.omitted']).toContain('(15)');
    expect(Object.keys(document.flags)).toEqual(['disabled']);
    expect(document.flags.disabled).toMatchObject({ state: 'DISABLED', defaultVariant: 'off' });
    const core = loadFlagd(text);
    for (const name of Object.keys(omitted))
      expect(flagdOutcome(core, name, 'boolean', {})).toBe('not found');
    expect(flagdOutcome(core, 'disabled', 'boolean', {})).toBe('disabled');
  });

  it('shares segments by reference, and inserts those whose text flagd would change', async () => {
    const member = (value: string) => [{ attribute: 'plan', operator: 'equals', value }];
    const inSegment = (segment: string) => [{ id: 'r', conditions: [{ segment }], variant: 'on' }];
    await replaceAll(
      [
        { key: 'a', rules: inSegment('pros') },
        { key: 'b', rules: inSegment('us.pros') },
        { key: 'c', rules: inSegment('dollars') },
      ],
      [
        { key: 'pros', conditions: member('pro') },
        { key: 'us.pros', conditions: member('us') },
        { key: 'dollars', conditions: member('$&') },
      ],
    );
    const { $evaluators, flags } = JSON.parse(await readDocument());
    expect($evaluators['segment:pros']).toEqual({
      some: [{ merge: [{ var: 'plan' }] }, { '===': [{ var: '' }, 'pro'] }],
    });
    expect(Object.keys($evaluators).filter(name => name.startsWith('segment:'))).toEqual([
      'segment:pros',
    ]);
    expect(flags.a.targeting).toEqual({ if: [{ $ref: 'segment:pros' }, 'on', null] });
    expect(JSON.stringify(flags.c.targeting)).toContain('$&');
  });

  it('leaves out flags whose rules become too large', async () => {
    const values = Array.from({ length: 5_000 }, (_, at) => `customer-${at}`);
    const chain = Array.from({ length: 9 }, (_, at) => ({
      key: `f${at}`,
      rules:
        at === 0
          ? [
              {
                id: 'r',
                conditions: [{ attribute: 'a', operator: 'in', value: values }],
                variant: 'on',
              },
            ]
          : Array.from({ length: 50 }, (__, rule) => ({
              id: `r${rule}`,
              conditions: [{ flag: `f${at - 1}`, variants: ['on'], not: rule % 2 === 1 }],
              variant: 'on',
            })),
    }));
    await replaceAll(chain);
    const { flags, omitted } = JSON.parse(await readDocument());
    expect(Object.keys(flags)).toEqual(['f0']);
    expect(omitted['f1']).toContain('too large');
  });

  it('states which attributes with dots it reads as paths only', async () => {
    const conditions = [{ attribute: 'user.plan', operator: 'equals', value: 'pro' }];
    await replaceAll([{ key: 'a', rules: [{ id: 'r', conditions, variant: 'on' }] }]);
    const { flags } = JSON.parse(await readDocument());
    expect(flags.a.metadata['pennon.differs']).toBe(
      '"user.plan": only a path, not a name with dots',
    );
  });
});

describe('the route for flagd', () => {
  it('responds with 304 until a flag changes', async () => {
    await replaceAll([{ key: 'a' }]);
    const key = await keyOf('server');
    const first = await request('GET', PATH, { key });
    expect(first.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'private, no-cache',
      etag: expect.stringMatching(/^"[^"]+"$/),
    });
    const headers = { 'if-none-match': String(first.headers['etag']) };
    const unchanged = await request('GET', PATH, { key, headers });
    expect([unchanged.status, unchanged.text]).toEqual([304, '']);
    await request('PATCH', '/api/v1/flags/a?environment=production', { body: { enabled: false } });
    const changed = await request('GET', PATH, { key, headers });
    expect([changed.status, changed.body.flags.a.state]).toEqual([200, 'DISABLED']);
  });

  it('has the environment of the key, or the one that a key for all environments names', async () => {
    const key = await keyOf('server');
    const own = await request('GET', PATH, { key });
    expect(own.body.metadata).toMatchObject({ flagSetId: 'production' });
    const staging = await request('GET', `${PATH}?environment=development`);
    expect(staging.body.metadata).toMatchObject({ flagSetId: 'development' });
    expect((await request('GET', PATH)).status).toBe(400);
    const client = await keyOf('client');
    expect((await request('GET', PATH, { key: client })).status).toBe(403);
  });
});
