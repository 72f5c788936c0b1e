import { describe, expect, it } from 'vitest';

import { createFakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';

const DAY_MS = 86_400_000;
const START = Date.parse('2026-12-01T09:00:00Z');
const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));

const post = (server: TestServer, path: string, body: object = {}) =>
  server.api('POST', path, { body });

/** Starts a server with a layer, and experiments on flags of their own. */
const begin = async (layer: object = {}, names = ['a', 'b', 'c']) => {
  const clock = createFakeClock(START);
  const server = await startServer({ clock });
  const created = await post(server, '/layers', { key: 'checkout', ...layer });
  if (created.status !== 201) throw new Error(created.text);
  const window = { toMs: 60_000 };
  await post(server, '/metrics', { key: 'm', kind: 'conversion', event: 'm', window });
  for (const name of names) {
    await post(server, '/flags', { key: name, enabled: true, rules: [{ id: 'r', split }] });
    const metrics = [{ metric: 'm', role: 'primary' }];
    await post(server, '/experiments', {
      key: name,
      flag: name,
      rule: 'r',
      control: 'off',
      metrics,
    });
  }
  const claim = (experiment: string, slots?: number, fields: object = {}) =>
    post(server, '/layers/checkout/claims', {
      experiment,
      ...(slots === undefined ? {} : { slots }),
      ...fields,
    });
  const act = (experiment: string, action: string, body?: object) =>
    server.api('POST', `/experiments/${experiment}/${action}`, body && { body });
  return { server, clock, claim, act };
};

const layerOf = async (server: TestServer) => (await server.api('GET', '/layers/checkout')).body;

describe('a layer', () => {
  it('is a flag whose variants are slots, and experiments in different slots share no unit', async () => {
    const { server, claim, act } = await begin();
    await using _ = server;
    const flag = (await server.api('GET', '/flags/checkout')).body;
    expect([Object.keys(flag.variants).length, flag.clientVisible]).toEqual([20, false]);
    expect((await claim('a', 5)).body.claims).toMatchObject([
      { experiment: 'a', variants: ['s0', 's1', 's2', 's3', 's4'] },
    ]);
    await claim('b', 10);
    for (const name of ['a', 'b']) expect((await act(name, 'start')).status).toBe(200);
    let [both, first, second] = [0, 0, 0];
    for (let i = 0; i < 400; i += 1) {
      const context = { targetingKey: `user-${i}` };
      const body = { context, flagKeys: ['a', 'b'] };
      const { evaluations } = (await post(server, '/evaluations', body)).body;
      const [inFirst, inSecond] = ['a', 'b'].map(name => evaluations[name].reason === 'SPLIT');
      both += Number(inFirst && inSecond);
      first += Number(inFirst);
      second += Number(inSecond);
    }
    expect(both).toBe(0);
    expect(first / 400).toBeCloseTo(0.25, 1);
    expect(second / 400).toBeCloseTo(0.5, 1);
  });

  it('has each slot for one experiment, and keeps it back for a week after the end', async () => {
    const { server, clock, claim, act } = await begin();
    await using _ = server;
    await claim('a', 15);
    const full = await claim('b', 6);
    expect([full.status, full.body.error.message]).toEqual([
      409,
      expect.stringMatching(/has 5 free slots, and 6 were requested.*"a"/),
    ]);
    await act('a', 'start');
    expect((await claim('a', 3)).status).toBe(409);
    clock.jump(DAY_MS);
    await act('a', 'stop');
    clock.advance(60_000);
    const releasedAt = async () => (await layerOf(server)).claims[0]?.releasedAt;
    await expect.poll(releasedAt).toBe('2026-12-02T09:00:00.000Z');
    expect((await claim('b', 6)).status).toBe(409);
    expect((await claim('b', 6, { force: true })).status).toBe(200);
    clock.jump(7 * DAY_MS);
    const claims = async () =>
      (await layerOf(server)).claims.map(({ experiment }: { experiment: string }) => experiment);
    await expect.poll(claims).toEqual(['b']);
    expect((await claim('c', 14)).status).toBe(200);
    const { items } = (await server.api('GET', '/audit?limit=20')).body;
    const actions = items.map(({ action }: { action: string }) => action);
    expect(actions).toEqual(expect.arrayContaining(['layer.claim', 'layer.release']));
  });

  it('has free slots from the moment on in which an experiment ends', async () => {
    const { server, claim, act } = await begin();
    await using _ = server;
    await claim('a', 20);
    await act('a', 'start');
    expect((await claim('b', 6, { force: true })).status).toBe(409);
    await act('a', 'stop');
    expect((await claim('b', 6)).status).toBe(409);
    const { status, body } = await claim('b', 6, { force: true });
    expect([status, body.claims]).toMatchObject([
      200,
      [
        { experiment: 'a', releasedAt: '2026-12-01T09:00:00.000Z' },
        { experiment: 'b', variants: ['s0', 's1', 's2', 's3', 's4', 's5'] },
      ],
    ]);
  });

  it('gives an experiment that begins again its slots if it claims them again', async () => {
    const { server, clock, claim, act } = await begin();
    await using _ = server;
    await claim('a', 5);
    await act('a', 'start');
    clock.jump(DAY_MS);
    await act('a', 'stop');
    clock.advance(60_000);
    await expect.poll(async () => (await layerOf(server)).claims[0].releasedAt).toBeDefined();
    const refused = await act('a', 'restart');
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringContaining('POST /api/v1/layers/checkout/claims'),
    ]);
    await claim('a', 5);
    expect((await act('a', 'restart')).status).toBe(200);
    clock.advance(60_000);
    expect((await layerOf(server)).claims[0]).not.toHaveProperty('releasedAt');
  });

  it('buckets by the attribute of its experiments', async () => {
    const { server, claim } = await begin({ bucketBy: 'companyId' });
    await using _ = server;
    const refused = await claim('a', 5);
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringContaining('"targetingKey"'),
    ]);
    await server.api('PATCH', '/flags/a', {
      body: { rules: [{ id: 'r', split, bucketBy: 'companyId' }] },
    });
    expect((await claim('a', 5)).status).toBe(200);
  });

  it('refuses slots in a rule that were not claimed', async () => {
    const { server, act } = await begin();
    await using _ = server;
    const conditions = [{ flag: 'checkout', variants: ['s1'] }];
    await server.api('PATCH', '/flags/a', { body: { rules: [{ id: 'r', split, conditions }] } });
    expect((await act('a', 'start')).body.error.details[0].path).toBe('rule');
  });

  it('with a holdout keeps units out of all experiments, and of what they decide', async () => {
    const { server, claim, act } = await begin({ holdout: 10 });
    await using _ = server;
    expect((await claim('a', 5)).body.error.details[0].path).toBe('slots');
    for (const name of ['a', 'b']) expect((await claim(name)).status).toBe(200);
    await act('a', 'start');
    await act('a', 'decide', { variant: 'on' });
    expect((await server.api('GET', '/flags/a')).body.rules).toMatchObject([
      { conditions: [{ flag: 'checkout', variants: ['in'] }], variant: 'on' },
    ]);
  });

  it('leaves a decided rule, which then fits units of all slots', async () => {
    const { server, claim, act } = await begin();
    await using _ = server;
    await claim('a', 5);
    await act('a', 'start');
    await act('a', 'decide', { variant: 'on' });
    const { rules } = (await server.api('GET', '/flags/a')).body;
    expect(rules).toEqual([{ id: 'r', conditions: [], variant: 'on' }]);
  });

  it('has a flag that cannot change or be deleted, and is deleted with it', async () => {
    const { server, claim } = await begin();
    await using _ = server;
    for (const [method, body] of [
      ['PATCH', { seed: 'other' }],
      ['DELETE', undefined],
    ] as const)
      expect((await server.api(method, '/flags/checkout', { body })).status).toBe(409);
    await claim('a', 5);
    expect((await server.api('DELETE', '/layers/checkout')).status).toBe(409);
    const released = await server.api('DELETE', '/layers/checkout/claims/a?force=true');
    expect([released.status, released.body.claims]).toEqual([200, []]);
    expect((await server.api('GET', '/flags/a')).body.rules).toMatchObject([{ conditions: [] }]);
    expect((await server.api('DELETE', '/layers/checkout')).status).toBe(204);
    expect((await server.api('GET', '/flags/checkout')).status).toBe(404);
  });

  it('is described by other requests, but never randomised again', async () => {
    const { server } = await begin();
    await using _ = server;
    const patched = await server.api('PATCH', '/layers/checkout', { body: { owner: 'ada' } });
    expect([patched.status, patched.body.owner]).toEqual([200, 'ada']);
    const replaced = await server.api('PUT', '/layers/checkout', { body: { bucketBy: 'x' } });
    expect([replaced.status, replaced.body.error.details[0].path]).toEqual([400, 'bucketBy']);
    const created = await server.api('PUT', '/layers/search', { body: { holdout: 5 } });
    expect([created.status, created.body.key]).toEqual([201, 'search']);
    expect((await server.api('GET', '/layers')).body.items).toHaveLength(2);
    expect((await post(server, '/layers', { key: 'a' })).status).toBe(409);
  });
});
