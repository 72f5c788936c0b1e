import { describe, expect, it } from 'vitest';

import { systemClock } from '../src/clock.ts';
import { openSse } from './support/sse.ts';
import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

const pro = { attribute: 'plan', operator: 'equals', value: 'pro' };
const context = { targetingKey: 'ada', plan: 'pro' };

const withFlags = async (server: TestServer): Promise<void> => {
  await server.api('POST', '/segments', { body: { key: 'pros', conditions: [pro] } });
  const rules = [{ id: 'secret-rule', conditions: [{ segment: 'pros' }], variant: 'on' }];
  const flag = { enabled: true, rules };
  await server.api('POST', '/flags', { body: { ...flag, key: 'seen', clientVisible: true } });
  await server.api('POST', '/flags', { body: { ...flag, key: 'unseen' } });
};

const editHidden = async (server: TestServer, times: number): Promise<void> => {
  for (let at = 0; at < times; at += 1)
    await server.api('PATCH', '/flags/unseen', { body: { enabled: at % 2 === 1 } });
  await server.api('POST', '/segments', { body: { key: `other-${times}`, conditions: [pro] } });
};

describe('what a client key gets depends on the flags that it sees', () => {
  const evaluateAll = async (server: TestServer, key: string, headers = {}) => {
    const response = await server.api('POST', '/evaluations', { key, body: { context }, headers });
    return { status: response.status, text: response.text, etag: String(response.headers.etag) };
  };

  it('so an edit of anything else changes no byte, and the tag stays valid', async () => {
    await using server = await startServer();
    await withFlags(server);
    const key = await server.keyOf('client');
    const first = await evaluateAll(server, key);
    await editHidden(server, 3);
    expect(await evaluateAll(server, key)).toEqual(first);
    const again = await evaluateAll(server, key, { 'if-none-match': first.etag });
    expect([again.status, again.text]).toEqual([304, '']);
    const whole = await server.api('POST', '/evaluations', { body: { context } });
    expect(whole.body.revision).toBeGreaterThan(JSON.parse(first.text).revision);
  });

  it('so two servers with different hidden flags send the same bytes', async () => {
    await using one = await startServer();
    await using other = await startServer();
    await withFlags(one);
    await withFlags(other);
    await editHidden(other, 7);
    for (const server of [one, other])
      await server.api('PATCH', '/flags/seen', { body: { description: 'a new one' } });
    const [a, b] = [await one.keyOf('client'), await other.keyOf('client')];
    expect(await evaluateAll(other, b)).toEqual(await evaluateAll(one, a));
  });

  it('so a change of a visible flag, of its segment or of its visibility changes the tag', async () => {
    await using server = await startServer();
    await withFlags(server);
    const key = await server.keyOf('client');
    const seen: { etag: string; revision: number }[] = [];
    const record = async () => {
      const { etag, text } = await evaluateAll(server, key);
      seen.push({ etag, revision: JSON.parse(text).revision });
    };
    await record();
    await server.api('PATCH', '/flags/seen', { body: { enabled: false } });
    await record();
    await server.api('PATCH', '/flags/seen', { body: { enabled: true } });
    await record();
    const conditions = [{ ...pro, value: 'max' }];
    await server.api('PATCH', '/segments/pros', { body: { conditions } });
    await record();
    await server.api('PATCH', '/flags/seen', { body: { clientVisible: false } });
    await record();
    // The flag is enabled again, with the same result as at first.
    expect(seen[2]?.etag).toBe(seen[0]?.etag);
    expect(new Set(seen.map(({ etag }) => etag)).size).toBe(4);
    const revisions = seen.map(({ revision }) => revision);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  });

  it('so an edit that changes none of its results changes neither tag nor revision', async () => {
    await using server = await startServer();
    await withFlags(server);
    const requires = [{ flag: 'unseen', variants: ['on'] }];
    const rules = [{ id: 'r', conditions: requires, variant: 'on' }];
    const body = { key: 'dependent', enabled: true, clientVisible: true, rules };
    expect((await server.api('POST', '/flags', { body })).status).toBe(201);
    const key = await server.keyOf('client');
    const first = await evaluateAll(server, key);
    const { revision } = JSON.parse(first.text);
    const edits = [
      ['PATCH', '/flags/seen', { description: 'a new one', tags: ['a'] }],
      [
        'PATCH',
        '/segments/pros',
        { conditions: [{ ...pro, operator: 'in', value: ['pro', 'max'] }] },
      ],
      [
        'PATCH',
        '/flags/unseen',
        { tags: ['b'], rules: [{ id: 's', conditions: [pro], variant: 'on' }] },
      ],
    ] as const;
    for (const [method, path, edit] of edits) {
      expect((await server.api(method, path, { body: edit })).status).toBe(200);
      const next = await evaluateAll(server, key);
      expect([next.etag, JSON.parse(next.text).revision]).toEqual([first.etag, revision]);
      const known = await evaluateAll(server, key, { 'if-none-match': first.etag });
      expect([known.status, known.etag]).toEqual([304, first.etag]);
    }
    await server.api('PATCH', '/segments/pros', {
      body: { conditions: [{ ...pro, value: 'max' }] },
    });
    const changed = await evaluateAll(server, key, { 'if-none-match': first.etag });
    expect([changed.status, changed.etag === first.etag]).toEqual([200, false]);
  });

  it('so a new stream has the id of the values again, after edits that change none', async () => {
    await using server = await startServer();
    await withFlags(server);
    const url = await server.listen();
    const key = await server.keyOf('client');
    const idOfValues = async () => {
      const stream = await openSse(`${url}/api/v1/evaluations/stream`, { key, body: { context } });
      const first = await stream.next();
      stream.close();
      return first?.id;
    };
    const id = await idOfValues();
    const conditions = [{ ...pro, operator: 'in', value: ['pro', 'max'] }];
    await server.api('PATCH', '/segments/pros', { body: { conditions } });
    await server.api('PATCH', '/flags/seen', { body: { description: 'a new one' } });
    expect(await idOfValues()).toBe(id);
    await server.api('PATCH', '/flags/seen', { body: { enabled: false } });
    expect(await idOfValues()).not.toBe(id);
  });

  it('so its stream neither sends nor counts other edits', async () => {
    await using server = await startServer();
    await withFlags(server);
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
      key: await server.keyOf('client'),
      body: { context },
    });
    const first = await stream.next();
    await editHidden(server, 5);
    await server.api('PATCH', '/flags/seen', { body: { enabled: false } });
    const second = await stream.next();
    expect([second?.event, second?.data.revision]).toEqual(['change', first?.data.revision + 1]);
    expect(first?.id).not.toContain('.');
    stream.close();
  });
});

describe('a client key gets nothing of rules', () => {
  const everyResult = async (server: TestServer, key: string): Promise<string> => {
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, { key, body: { context } });
    const values = await stream.next();
    stream.close();
    const body = { environment: 'production', context };
    const responses = await Promise.all([
      server.api('POST', '/evaluate', { key, body: { flagKey: 'seen', context } }),
      server.api('POST', '/evaluations', { key, body: { context } }),
      server.request('POST', '/trpc/evaluation.evaluateAll', { key, body }),
      server.request('POST', '/trpc/evaluation.evaluate', {
        key,
        body: { ...body, flagKey: 'seen' },
      }),
    ]);
    return [JSON.stringify(values), ...responses.map(({ text }) => text)].join('\n');
  };

  it('so no result has the id of a rule', async () => {
    await using server = await startServer();
    await withFlags(server);
    const results = await everyResult(server, await server.keyOf('client'));
    expect(results.match(/TARGETING_MATCH/g)).toHaveLength(5);
    expect(results).not.toMatch(/ruleId|secret-rule/);
    const trusted = await server.api('POST', '/evaluations', { body: { context } });
    expect(trusted.body.evaluations.seen.ruleId).toBe('secret-rule');
  });

  it('unless the server is started to show them', async () => {
    await using server = await startServer({ limits: { showsRuleIdsToClients: true } });
    await withFlags(server);
    const results = await everyResult(server, await server.keyOf('client'));
    expect(results.match(/"ruleId":"secret-rule"/g)).toHaveLength(5);
  });

  it('so errors name no attribute that a rule buckets by', async () => {
    await using server = await startServer();
    const rules = [{ variant: 'on', percentage: 50, bucketBy: 'companyId' }];
    const body = { key: 'seen', enabled: true, clientVisible: true, rules };
    await server.api('POST', '/flags', { body });
    const key = await server.keyOf('client');
    const request = { flagKey: 'seen', context: {} };
    const failed = await server.api('POST', '/evaluate', { key, body: request });
    const bulk = await server.api('POST', '/evaluations', { key, body: { context: {} } });
    expect([failed.status, failed.body.error.code]).toEqual([400, 'TARGETING_KEY_MISSING']);
    expect(bulk.body.evaluations.seen.errorMessage).toBe(failed.body.error.message);
    expect(failed.text + bulk.text).not.toContain('companyId');
    const trusted = await server.api('POST', '/evaluate', { body: request });
    expect(trusted.body.error.message).toContain('companyId');
  });
});

describe('a large bulk evaluation', () => {
  it('lets other work run between its flags, and is the same as without', async () => {
    let now = 0;
    const slow = { ...systemClock, monotonic: () => (now += 10) };
    await using pausing = await startServer({ clock: slow, limits: { requestsPerSecond: 0 } });
    await using quick = await startServer();
    const flags = Array.from({ length: 40 }, (_, at) => ({
      key: `flag-${at}`,
      enabled: true,
      rules: [{ id: 'r', ...pro, percentage: 50 }],
    }));
    for (const server of [pausing, quick])
      for (const body of flags) await server.api('POST', '/flags', { body });
    // The clock is read once for 100 flags.
    const unknown = Array.from({ length: 960 }, (_, at) => `unknown-${at}`);
    const body = { context, flagKeys: [...flags.map(({ key }) => key), ...unknown] };
    let turns = 0;
    let isDone = false;
    const countTurns = () => {
      turns += 1;
      if (!isDone) setImmediate(countTurns);
    };
    countTurns();
    const response = await pausing.api('POST', '/evaluations', { body });
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(10);
    const expected = await quick.api('POST', '/evaluations', { body });
    expect(response.body.evaluations).toEqual(expected.body.evaluations);
    expect(Object.keys(response.body.evaluations)).toHaveLength(1_000);
  });
});

it('cached bulk evaluations are limited by their memory', async () => {
  const limits = { cacheBytes: 64_000 };
  await using server = await startServer({ limits });
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
  for (let at = 0; at < 100; at += 1)
    await server.api('POST', '/evaluations', { body: { context: { at, text: 'x'.repeat(700) } } });
  const { text } = await server.request('GET', '/metrics');
  const cached = Number(/pennon_cached_answers (\d+)/.exec(text)?.[1]);
  expect(cached).toBeGreaterThan(5);
  expect(cached).toBeLessThan(64_000 / 1_400);
});

it('metrics have no series of a flag that was deleted', async () => {
  await using server = await startServer();
  for (const key of ['stays', 'goes']) {
    await server.api('POST', '/flags', { body: { key, enabled: true } });
    await server.api('POST', '/evaluate', { body: { flagKey: key, context: {} } });
  }
  const series = async () => (await server.request('GET', '/metrics')).text.match(/flag="[^"]+"/g);
  expect(await series()).toEqual(['flag="stays"', 'flag="goes"']);
  await server.api('DELETE', '/flags/goes');
  expect(await series()).toEqual(['flag="stays"']);
});
