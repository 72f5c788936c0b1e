import { beforeEach, describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
const context = { targetingKey: 'ada' };
const measured = {
  experiments: { e: { flag: 'shown', rule: 'test', unit: 'targetingKey' } },
  tracked: ['bought'],
};

describe('the values of an experiment', () => {
  let server: TestServer;
  let client: string;
  beforeEach(async () => {
    server = await startServer();
    client = await server.keyOf('client');
    for (const key of ['shown', 'hidden'])
      await server.api('POST', '/flags', {
        body: {
          key,
          enabled: true,
          clientVisible: key === 'shown',
          rules: [{ id: 'test', split }],
        },
      });
    return () => server.close();
  });

  /** Starts an experiment on each flag. */
  const startBoth = async () => {
    await server.api('POST', '/metrics', {
      body: { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: 60_000 } },
    });
    const metrics = [{ metric: 'bought', role: 'primary' }];
    for (const [key, flag] of [
      ['e', 'shown'],
      ['secret', 'hidden'],
    ]) {
      const body = { key, flag, rule: 'test', control: 'off', metrics };
      await server.api('POST', '/experiments', { body });
      await server.api('POST', `/experiments/${key}/start`);
    }
  };

  const values = (etag?: string | string[] | number) =>
    server.request('POST', '/api/v1/evaluations', {
      key: client,
      body: { context },
      ...(etag === undefined ? {} : { headers: { 'if-none-match': String(etag) } }),
    });

  it('of a client key have the running experiments of visible flags, and the ids of their rules', async () => {
    const before = await values();
    expect(Object.keys(before.body)).toEqual(['revision', 'environment', 'evaluations']);
    expect(before.body.evaluations.shown).not.toHaveProperty('ruleId');
    await startBoth();
    const after = await values(before.headers['etag']);
    expect([after.status, after.body]).toMatchObject([
      200,
      { ...measured, evaluations: { shown: { ruleId: 'test' } } },
    ]);
    expect(after.text).not.toMatch(/secret|hidden/);
    expect(after.body.revision).toBeGreaterThan(before.body.revision);
    expect((await values(after.headers['etag'])).status).toBe(304);
    await server.api('POST', '/experiments/e/stop');
    expect((await values()).body.evaluations.shown).not.toHaveProperty('ruleId');
  });

  it('stay the same for a client key while nothing that it sees is measured', async () => {
    const before = await values();
    await server.api('POST', '/flags', {
      body: { key: 'other', enabled: true, rules: [{ id: 'test', split }] },
    });
    expect((await values(before.headers['etag'])).status).toBe(304);
  });

  it('change on the stream when an experiment starts and stops, although no flag does', async () => {
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
      key: client,
      body: { context },
    });
    expect((await stream.next())?.data).not.toHaveProperty('experiments');
    await startBoth();
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { experiments: {}, tracked: ['bought'], evaluations: {} },
    });
    expect(await stream.next()).toMatchObject({
      event: 'change',
      data: { ...measured, evaluations: { shown: { ruleId: 'test' } } },
    });
    await server.api('POST', '/experiments/e/stop');
    const last = await stream.next();
    expect(last).toMatchObject({ event: 'change', data: { experiments: {} } });
    expect(last?.data.evaluations.shown).not.toHaveProperty('ruleId');
    stream.close();
  });

  it('of the flag set have all experiments, and a change has what has changed', async () => {
    const url = await server.listen();
    const stream = await openSse(`${url}/api/v1/flag-set/stream?environment=production`, {
      key: await server.keyOf('server'),
    });
    expect((await stream.next())?.data).not.toHaveProperty('experiments');
    await startBoth();
    const changes = [];
    for (let count = 0; count < 5; count += 1) changes.push((await stream.next())?.data);
    expect(changes.map(({ experiments }) => experiments && Object.keys(experiments))).toEqual([
      [],
      undefined,
      ['e'],
      undefined,
      ['e', 'secret'],
    ]);
    stream.close();
  });
});
