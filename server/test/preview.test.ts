import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer, type RequestOptions, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ limits: { requestsPerSecond: 0 } });
  await server.api('POST', '/segments', {
    body: { key: 'pros', conditions: [proCondition] },
  });
  await server.api('POST', '/flags', { body: { ...checkout, rules: [proRule] } });
});
afterAll(() => server.close());

const proRule = { id: 'pros', conditions: [{ segment: 'pros' }], variant: 'on' };
const proCondition = { attribute: 'plan', operator: 'equals', value: 'pro' };
const checkout = { key: 'checkout', enabled: true, defaultVariant: 'off' };
const ada = { targetingKey: 'ada', plan: 'pro' };
const bob = { targetingKey: 'bob', plan: 'free' };

/** A draft whose traces are 100 KB each, for many contexts. */
const largeTraces = (rules = 150) => ({
  flag: {
    key: 'large',
    enabled: true,
    defaultVariant: 'off',
    rules: Array.from({ length: rules }, (_, rule) => ({
      conditions: [
        {
          any: Array.from({ length: 48 }, (__, at) => ({
            attribute: 'a',
            operator: 'equals',
            value: rule * 50 + at,
          })),
        },
      ],
    })),
  },
  contexts: Array.from({ length: 20 }, (_, at) => ({ a: `x${at}` })),
});

/** Calls a procedure five times in one batch, and returns the outcomes. */
const callFiveTimes = async (name: string, input: object, key: string): Promise<string[]> => {
  const calls = Array.from({ length: 5 }, () => name);
  const path = `/trpc/${calls.join(',')}?batch=1`;
  const inputs = Object.fromEntries(calls.map((_, at) => [at, input]));
  const { body } = await server.request('POST', path, { key, body: inputs });
  return body.map(({ error }: { error?: { message: string } }) => error?.message ?? 'done');
};

const preview = (body: object, options: RequestOptions = {}) =>
  server.api('POST', '/evaluations/preview', { body, ...options });

describe('a preview of a draft', () => {
  it('has each context as it is and as it would be, with traces, and writes nothing', async () => {
    const before = await server.api('GET', '/flags/checkout');
    const { status, body } = await preview({
      flag: { ...before.body, rules: [proRule, { id: 'all', conditions: [], variant: 'on' }] },
      contexts: [ada, bob],
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ environment: 'production', revision: 3 });
    expect(body.results).toMatchObject([
      {
        evaluations: [
          {
            flagKey: 'checkout',
            changed: false,
            live: { variant: 'on', ruleId: 'pros', trace: { rules: [{ outcome: 'served' }] } },
            draft: { variant: 'on', ruleId: 'pros' },
          },
        ],
      },
      {
        evaluations: [
          {
            changed: true,
            live: { variant: 'off', reason: 'DEFAULT' },
            draft: { variant: 'on', ruleId: 'all', trace: { rules: [{}, { outcome: 'served' }] } },
          },
        ],
      },
    ]);
    const after = await server.api('GET', '/flags/checkout');
    expect([after.body, after.headers['etag']]).toEqual([before.body, before.headers['etag']]);
  });

  it('has a flag that does not exist yet, and flags that depend on the draft', async () => {
    const flag = { key: 'fresh', enabled: true, defaultVariant: 'on' };
    const created = await preview({ flag, contexts: [ada] });
    expect(created.body.results[0].evaluations).toMatchObject([
      { flagKey: 'fresh', live: null, draft: { variant: 'on' }, changed: true },
    ]);
    await server.api('PUT', '/flags/dependent', {
      body: {
        ...checkout,
        key: 'dependent',
        rules: [{ conditions: [{ flag: 'checkout', variants: ['on'] }], variant: 'on' }],
      },
    });
    const flagKeys = ['dependent', 'absent'];
    const off = { ...checkout, enabled: false };
    const { body } = await preview({ flag: off, flagKeys, contexts: [ada] });
    expect(body.results[0].evaluations).toMatchObject([
      { flagKey: 'dependent', live: { variant: 'on' }, draft: { variant: 'off' }, changed: true },
      { flagKey: 'absent', live: null, draft: null, changed: false },
    ]);
  });

  it('of a segment has the flags that use it', async () => {
    const conditions = [{ attribute: 'plan', operator: 'in', value: ['pro', 'free'] }];
    const { status, body } = await preview({
      segment: { key: 'pros', conditions },
      contexts: [ada, bob],
    });
    expect(status).toBe(200);
    expect(body.results.map((each: { evaluations: unknown }) => each.evaluations)).toMatchObject([
      [{ flagKey: 'checkout', changed: false }],
      [{ flagKey: 'checkout', live: { variant: 'off' }, draft: { variant: 'on' }, changed: true }],
    ]);
  });

  it('is checked as a write is, with its warnings', async () => {
    const contexts = [ada];
    const attempts: readonly (readonly [object, string])[] = [
      [{ ...checkout, type: 'string', variants: { a: 'a' }, defaultVariant: 'a' }, 'cannot become'],
      [{ ...checkout, rules: [{ conditions: [{ segment: 'pro' }], variant: 'on' }] }, 'pros'],
      [{ ...checkout, rules: [{ conditions: [{ flag: 'checkout', variants: ['on'] }] }] }, ''],
      [{ ...checkout, defaultVariant: 'on', rules: [proRule] }, 'change nothing'],
    ];
    for (const [flag, part] of attempts) {
      const written = await server.api('PUT', '/flags/checkout', { body: flag });
      const previewed = await preview({ flag, contexts });
      expect([previewed.status, previewed.body]).toEqual([400, written.body]);
      expect(previewed.text).toContain(part);
    }
    const rules = [{ ...proRule, percentage: 0.5 }];
    const { body } = await preview({ flag: { ...checkout, rules }, contexts });
    expect(body.warnings).toMatchObject([{ path: 'rules.0.percentage' }]);
    const noEffect = { ...checkout, defaultVariant: 'on', rules: [proRule] };
    expect((await preview({ flag: noEffect, contexts, allowNoEffect: true })).status).toBe(200);
  });

  it('over tRPC has the errors of an invalid draft with the status of a success', async () => {
    const flag = { ...checkout, enabled: 'yes' };
    const body = { environment: 'production', flag, contexts: [ada] };
    const response = await server.request('POST', '/trpc/evaluation.preview', { body });
    expect([response.status, response.body.error.data.httpStatus]).toEqual([200, 400]);
    expect(response.body.error.data.error.details).toMatchObject([{ path: 'flag.enabled' }]);
    const statusOf = async (change: object) => {
      const changed = { ...body, flag: checkout, ...change };
      return (await server.request('POST', '/trpc/evaluation.preview', { body: changed })).status;
    };
    const noEffect = { ...checkout, defaultVariant: 'on', rules: [proRule] };
    expect(await statusOf({ flag: noEffect })).toBe(200);
    expect(await statusOf({ contexts: [] })).toBe(400);
    expect(await statusOf({ flag: undefined })).toBe(400);
    expect(await statusOf({ environment: 'absent' })).toBe(404);
  });

  it.each([
    [{ contexts: [ada] }, 'flag', 'is missing'],
    [
      { flag: checkout, segment: { key: 's', conditions: [proCondition] }, contexts: [ada] },
      'flag',
      'not both',
    ],
    [{ flag: checkout, contexts: [] }, 'contexts', '1 to 20'],
    [{ flag: checkout, contexts: Array.from({ length: 21 }, () => ada) }, 'contexts', '1 to 20'],
    [{ flag: checkout, contexts: [1] }, 'contexts.0', ''],
    [{ flag: checkout, contexts: [ada], flagKeys: [] }, 'flagKeys', '1 to 20'],
    [{ flag: { ...checkout, enabled: 'yes' }, contexts: [ada] }, 'flag.enabled', 'true or false'],
  ])('is refused as %j', async (body, path, part) => {
    const refused = await preview(body);
    expect([refused.status, refused.body.error.details[0].path]).toEqual([400, path]);
    expect(refused.body.error.details[0].message).toContain(part);
  });

  it('ends once it has taken too much work', async () => {
    const matches = { attribute: 'a', operator: 'matches', value: `(?i)${'[a-z]*'.repeat(30)}x` };
    const flag = {
      ...checkout,
      key: 'costly',
      rules: Array.from({ length: 5 }, () => ({ conditions: [matches], variant: 'on' })),
    };
    const contexts = Array.from({ length: 20 }, () => ({ a: 'a'.repeat(20_000) }));
    const refused = await preview({ flag, contexts });
    expect([refused.status, refused.body.error.message]).toEqual([
      400,
      expect.stringContaining('too much work'),
    ]);
    expect((await preview({ flag, contexts: contexts.slice(0, 1) })).status).toBe(200);
  });

  it('has traces of 2 MiB together, and beyond only how many rules are left out', async () => {
    const { status, text, body } = await preview(largeTraces());
    expect([status, body.results.length]).toEqual([200, 20]);
    expect(text.length).toBeLessThan(2.2 * 1_048_576);
    const [first, last] = [body.results[0].evaluations[0].draft, body.results[19].evaluations[0]];
    expect(first.trace).toMatchObject({ rules: { length: 150 }, leftOut: expect.any(Number) });
    const why = 'not traced: the traces of a response have at most 2097152 bytes';
    expect(last.draft).toMatchObject({ variant: 'off', trace: { why, rules: [], leftOut: 150 } });
  });

  it('is refused if its values would be too large', async () => {
    const variants = { large: 'x'.repeat(60_000) };
    const flag = { key: 'long0', type: 'string', enabled: true, variants, defaultVariant: 'large' };
    const flagKeys = ['long0', 'long1', 'long2', 'long3'];
    for (const key of flagKeys)
      await server.api('PUT', `/flags/${key}`, { body: { ...flag, key } });
    const contexts = Array.from({ length: 20 }, () => ada);
    const refused = await preview({ flag, flagKeys, contexts });
    expect([refused.status, refused.body.error.message]).toEqual([
      400,
      expect.stringContaining('more than 8388608 bytes'),
    ]);
    expect((await preview({ flag, flagKeys, contexts: contexts.slice(0, 10) })).status).toBe(200);
  });

  it('evaluates a flag that is named twice once', async () => {
    const flagKeys = ['checkout', 'absent', 'checkout'];
    const { body } = await preview({ flag: checkout, flagKeys, contexts: [ada] });
    expect(body.results[0].evaluations).toMatchObject([
      { flagKey: 'checkout' },
      { flagKey: 'absent' },
    ]);
  });

  it('is refused while others are in progress, for one key and for all', async () => {
    const keys = [ADMIN_KEY, await server.keyOf('viewer'), await server.keyOf('editor')];
    const input = { environment: 'production', ...largeTraces(20) };
    const batches = keys.map(key => callFiveTimes('evaluation.preview', input, key));
    const outcomes = await Promise.all(batches);
    const done = outcomes.map(each => each.filter(outcome => outcome === 'done').length);
    expect([Math.max(...done), done.reduce((sum, count) => sum + count)]).toEqual([3, 6]);
    expect(new Set(outcomes.flat())).toEqual(
      new Set([
        'done',
        'this key has 3 previews in progress, which is its limit: try again later',
        'this server has 6 previews in progress, which is its limit: try again later',
      ]),
    );
    expect((await preview({ flag: checkout, contexts: [ada] })).status).toBe(200);
  });

  it('is refused with the time to wait', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => preview(largeTraces(20))));
    const refused = all.filter(({ status }) => status === 429);
    expect(all.filter(({ status }) => status === 200).length + refused.length).toBe(8);
    expect(refused[0]?.headers).toMatchObject({ 'retry-after': '1' });
  });

  it('is not counted as an evaluation', async () => {
    await preview({ flag: { ...checkout, key: 'uncounted' }, contexts: [ada] });
    expect((await server.request('GET', '/metrics')).text).not.toContain('uncounted');
  });
});

describe('one flag in all environments', () => {
  const compare = (key = ADMIN_KEY) =>
    server.request('POST', '/api/v1/evaluations/compare', {
      key,
      body: { flagKey: 'checkout', context: ada },
    });

  it('is evaluated in each with a trace, if it is there', async () => {
    const { status, body } = await compare();
    expect([status, body]).toMatchObject([
      200,
      {
        flagKey: 'checkout',
        evaluations: {
          development: null,
          production: { variant: 'on', ruleId: 'pros', trace: { rules: [{}] } },
        },
      },
    ]);
  });

  it('is evaluated only in the environment of a key, and not for servers', async () => {
    const { body } = await compare(await server.keyOf('viewer', 'development'));
    expect(body.evaluations).toEqual({ development: null });
    expect((await compare(await server.keyOf('server'))).status).toBe(403);
  });

  it('counts as a preview in progress', async () => {
    const input = { flagKey: 'checkout', context: ada };
    const outcomes = await callFiveTimes('evaluation.compare', input, ADMIN_KEY);
    expect(outcomes.slice(0, 3)).toEqual(['done', 'done', 'done']);
    expect(outcomes[3]).toContain('this key has 3 previews in progress');
  });
});
