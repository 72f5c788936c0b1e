import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Store } from '../src/store/store.ts';
import { startServer, type RequestOptions, type TestServer } from './support/server.ts';

/** Tests how flags are compared and copied between environments. `openStore` opens an empty store. */
export const describePromotion = (name: string, openStore: () => Store | Promise<Store>): void => {
  describe(`a promotion with ${name}`, () => {
    let server: TestServer;
    beforeEach(async () => {
      server = await startServer({ store: await openStore(), limits: { requestsPerSecond: 0 } });
      await write('development', 'segments/pros', segment('pro'));
      await write('development', 'flags/checkout', { ...checkout, rules: [rule('on')] });
      await write('development', 'flags/ranking', { enabled: true, owner: 'ada' });
    });
    afterEach(() => server.close());

    const segment = (value: string) => ({
      conditions: [{ attribute: 'plan', operator: 'equals', value }],
    });
    const rule = (variant: string) => ({ id: 'r', conditions: [{ segment: 'pros' }], variant });
    const checkout = { enabled: true, defaultVariant: 'off' };
    const inEnvironment = (environment: string, path: string) =>
      `/api/v1/${path}?environment=${environment}`;
    const write = async (environment: string, path: string, body: object) => {
      const response = await server.request('PUT', inEnvironment(environment, path), { body });
      if (response.status >= 300) throw new Error(response.text);
      return response;
    };
    const read = async (environment: string, path: string) =>
      (await server.request('GET', inEnvironment(environment, path))).body;
    const promote = (fields: object, options: RequestOptions = {}) =>
      server.request('POST', '/api/v1/environments/production/promote', {
        body: { from: 'development', flags: ['checkout', 'ranking'], ...fields },
        ...options,
      });
    const audit = async () =>
      (await read('production', 'audit')).items.map(
        ({ action, key, from, revision }: Record<string, unknown>) => ({
          action,
          key,
          from,
          revision,
        }),
      );

    it('copies flags with the segments that they need in one commit, as it was previewed', async () => {
      const preview = await promote({ dryRun: true });
      expect([preview.status, preview.body]).toMatchObject([
        200,
        {
          dryRun: true,
          items: [
            { kind: 'segment', key: 'pros', outcome: 'create' },
            { kind: 'flag', key: 'checkout', outcome: 'create' },
            { kind: 'flag', key: 'ranking', outcome: 'create' },
          ],
        },
      ]);
      expect((await read('production', 'flags')).items).toEqual([]);
      const headers = { 'if-match': String(preview.headers['etag']) };
      const { status, body } = await promote({}, { headers });
      expect([status, body]).toEqual([200, { ...preview.body, dryRun: false }]);
      expect(await read('production', 'flags/checkout')).toMatchObject({
        enabled: false,
        rules: [{ conditions: [{ segment: 'pros' }] }],
        version: 1,
      });
      expect(await audit()).toEqual([
        { action: 'segment.copy', key: 'pros', from: 'development', revision: 2 },
        { action: 'flag.copy', key: 'ranking', from: 'development', revision: 2 },
        { action: 'flag.copy', key: 'checkout', from: 'development', revision: 2 },
      ]);
      const again = await promote({});
      expect(again.body.items).toMatchObject([
        { key: 'checkout', outcome: 'unchanged', differences: [] },
        { key: 'ranking', outcome: 'unchanged' },
      ]);
      expect(await audit()).toHaveLength(3);
    });

    it('keeps the fields that are not taken, and segments that are not chosen', async () => {
      await write('production', 'segments/pros', segment('premium'));
      await write('production', 'flags/checkout', { ...checkout, owner: 'grace', rules: [] });
      await write('development', 'flags/checkout', {
        ...checkout,
        enabled: false,
        description: 'new',
        rules: [rule('on')],
      });
      const { body } = await promote({ flags: ['checkout'], take: ['rules'] });
      expect(body.items).toMatchObject([
        { key: 'checkout', outcome: 'change', differences: [{ path: 'rules' }] },
      ]);
      expect(await read('production', 'flags/checkout')).toMatchObject({
        enabled: true,
        owner: 'grace',
        rules: [{ variant: 'on' }],
        version: 2,
      });
      expect(await read('production', 'segments/pros')).toMatchObject(segment('premium'));
      const all = await promote({ flags: ['checkout'], segments: ['pros'] });
      expect(all.body.items.map(({ key }: { key: string }) => key)).toEqual(['pros', 'checkout']);
      const after = await read('production', 'flags/checkout');
      expect(after).toMatchObject({ enabled: true, description: 'new' });
      expect(after).not.toHaveProperty('owner');
      expect(await read('production', 'segments/pros')).toMatchObject(segment('pro'));
      await promote({ flags: ['checkout'], take: ['enabled'] });
      expect((await read('production', 'flags/checkout')).enabled).toBe(false);
    });

    it.each([
      ['a flag there', 'development', 'flags/checkout'],
      ['a flag here', 'production', 'flags/checkout'],
      ['a segment', 'development', 'segments/pros'],
    ])('is refused if %s has changed since it was reviewed', async (_, environment, path) => {
      const preview = await promote({ dryRun: true });
      const body = path.startsWith('segments')
        ? segment('other')
        : { enabled: true, description: 'changed' };
      await write(environment, path, body);
      const before = await audit();
      const headers = { 'if-match': String(preview.headers['etag']) };
      const refused = await promote({}, { headers });
      expect([refused.status, refused.body.error.message]).toEqual([
        412,
        'a flag or segment has changed since this was reviewed: preview it again',
      ]);
      expect(await audit()).toEqual(before);
      expect((await promote({}, { headers: { 'if-match': '"old"' } })).status).toBe(412);
    });

    it('writes all flags or none, and a preview has the reason', async () => {
      const needed = [{ conditions: [{ flag: 'ranking', variants: ['on'] }], variant: 'on' }];
      await write('development', 'flags/dependent', { ...checkout, rules: needed });
      const flags = ['checkout', 'dependent'];
      const preview = await promote({ flags, dryRun: true });
      expect(preview.body.problems).toMatchObject([
        { path: 'rules.0.conditions.0.flag', message: expect.stringContaining('"ranking"') },
      ]);
      const refused = await promote({ flags });
      expect([refused.status, refused.body.error.details]).toEqual([400, preview.body.problems]);
      expect((await read('production', 'flags')).items).toEqual([]);
      expect((await promote({ flags: [...flags, 'ranking'] })).status).toBe(200);
    });

    it('requires a key for both environments', async () => {
      const key = await server.keyOf('editor');
      expect((await promote({}, { key })).status).toBe(403);
      const entry = await server.api('GET', '/audit', { key });
      expect(entry.text).not.toContain('development');
      const all = await server.keyOf('editor', '*');
      expect((await promote({}, { key: all })).status).toBe(200);
      const log = await server.api('GET', '/audit', { key });
      expect(log.text).toContain('flag.copy');
      expect(log.text).not.toContain('development');
      expect((await promote({}, { key: await server.keyOf('viewer', '*') })).status).toBe(403);
    });

    it.each([
      [{ flags: [] }, 400, 'flags', '1 to 100'],
      [{ flags: ['checkuot'] }, 404, 'keys', 'did you mean "checkout"'],
      [{ segments: ['pro'] }, 400, 'segments.0', 'does not exist in environment "development"'],
      [{ take: ['rule'] }, 400, 'take.0', ''],
      [{ from: 'production' }, 400, 'to', 'another environment'],
    ])('is refused as %j', async (body, status, path, part) => {
      const refused = await promote(body);
      expect([refused.status, refused.body.error.details[0].path]).toEqual([status, path]);
      expect(refused.body.error.details[0].message).toContain(part);
    });

    it('begins with a comparison of the environments', async () => {
      await promote({ flags: ['checkout'] });
      await write('production', 'flags/local', { enabled: true });
      await write('development', 'segments/pros', segment('other'));
      const path = '/api/v1/environments/development/compare?to=production';
      const { status, body } = await server.request('GET', path);
      expect([status, body]).toEqual([
        200,
        {
          from: 'development',
          to: 'production',
          flags: [
            { key: 'checkout', outcome: 'differs', fields: ['enabled'] },
            { key: 'local', outcome: 'onlyTo', fields: [] },
            { key: 'ranking', outcome: 'onlyFrom', fields: [] },
          ],
          segments: [{ key: 'pros', outcome: 'differs', fields: ['conditions'] }],
        },
      ]);
      const key = await server.keyOf('viewer');
      expect((await server.request('GET', path, { key })).status).toBe(403);
    });
  });
};
