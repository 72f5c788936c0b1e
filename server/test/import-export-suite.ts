import { createHash } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Store } from '../src/store/store.ts';
import { openSse } from './support/sse.ts';
import { startServer, type TestServer } from './support/server.ts';

const TARGET_KEY = 'another-admin-key-0123456789';

const fill = async (server: TestServer): Promise<void> => {
  const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];
  await server.api('POST', '/segments', { body: { key: 'pros', conditions } });
  await server.api('POST', '/flags', {
    body: {
      key: 'a',
      enabled: true,
      rules: [{ conditions: [{ segment: 'pros' }], variant: 'on' }],
    },
  });
  await server.api('POST', '/flags', {
    body: {
      key: 'b',
      enabled: true,
      type: 'object',
      variants: { on: { deep: [1, { constructor: null }], text: 'Größe 📏' } },
      defaultVariant: 'on',
      allowNoEffect: true,
      rules: [{ conditions: [{ flag: 'a', variants: ['on'] }], variant: 'on' }],
    },
  });
  await server.api('PATCH', '/flags/b', { body: { description: 'changed once' } });
  const split = ['on', 'off'].map(variant => ({ variant, weight: 1 }));
  await server.api('POST', '/flags', {
    body: { key: 'tested', enabled: true, rules: [{ id: 'test', split }] },
  });
  await server.api('POST', '/metrics', {
    body: { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: 60_000 } },
  });
  await server.api('POST', '/experiments', {
    body: {
      key: 'e',
      flag: 'tested',
      rule: 'test',
      control: 'off',
      metrics: [{ metric: 'bought', role: 'primary' }],
    },
  });
  const steps = [{ share: 10, holdMinutes: 1 }];
  await server.api('POST', '/ramps', {
    body: { key: 'r', flag: 'tested', rule: 'release', treatment: 'on', steps },
  });
  await server.request('POST', '/api/v1/environments', {
    body: {
      key: 'staging',
      name: 'Staging',
      description: 'where things are tried',
      color: 'orange',
      order: 2,
      confirm: true,
      staleDays: 14,
    },
  });
  await server.request('POST', '/api/v1/flags?environment=staging', {
    body: { key: 'c', enabled: false },
  });
};

const exportFrom = async (server: TestServer, key?: string) =>
  (await server.request('GET', '/api/v1/export', key === undefined ? {} : { key })).body;

/** Tests exports, and imports into another server. `openStore` opens an empty store for each server. */
export const describeImportExport = (
  name: string,
  openStore: () => Store | Promise<Store>,
): void => {
  describe(`export and import with ${name}`, () => {
    let source: TestServer;
    let target: TestServer;
    beforeEach(async () => {
      source = await startServer({ store: await openStore() });
      target = await startServer({ adminKey: TARGET_KEY, store: await openStore() });
      await fill(source);
    });
    afterEach(async () => {
      await source.close();
      await target.close();
    });

    /** Sends a request to the target server as its admin. */
    const atTarget = (method: 'GET' | 'POST' | 'DELETE' | 'PATCH', path: string, body?: unknown) =>
      target.request(method, path, { key: TARGET_KEY, ...(body === undefined ? {} : { body }) });

    describe('an export', () => {
      it('has every environment and the hashes of keys, but no secrets and no admin key', async () => {
        const secret = await source.keyOf('server');
        const response = await source.request('GET', '/api/v1/export');
        expect(response.status).toBe(200);
        const { formatVersion, environments, keys } = response.body;
        expect(formatVersion).toBe(1);
        expect(environments.map(({ key }: { key: string }) => key)).toEqual([
          'development',
          'production',
          'staging',
        ]);
        expect(environments[1].flags.map(({ key }: { key: string }) => key)).toEqual([
          'a',
          'b',
          'tested',
        ]);
        expect(keys).toEqual([
          expect.objectContaining({
            role: 'server',
            hash: expect.stringMatching(/^[0-9a-f]{64}$/),
          }),
        ]);
        expect(response.text).not.toContain(secret);
        expect(response.text).not.toContain('"admin"');
      });

      it('of one environment has only that and no keys, also for its own admin', async () => {
        const admin = await source.keyOf('admin', 'staging');
        const one = await source.request('GET', '/api/v1/export?environment=staging');
        expect(Object.keys(one.body)).toEqual(['formatVersion', 'environments']);
        expect(one.body.environments).toMatchObject([{ key: 'staging', flags: [{ key: 'c' }] }]);
        expect((await source.request('GET', '/api/v1/export', { key: admin })).body).toEqual(
          one.body,
        );
        const other = await source.request('GET', '/api/v1/export?environment=production', {
          key: admin,
        });
        expect(other.status).toBe(403);
      });
    });

    describe('an import', () => {
      it('restores everything that was exported, and SDK keys keep working', async () => {
        const secret = await source.keyOf('server');
        const document = await exportFrom(source);
        const { status, body } = await atTarget('POST', '/api/v1/import', document);
        expect(status).toBe(200);
        expect(body.dryRun).toBe(false);
        expect(await exportFrom(target, TARGET_KEY)).toEqual(document);
        expect(
          (await target.request('GET', '/api/v1/flag-set', { key: secret })).body.flags,
        ).toEqual((await source.request('GET', '/api/v1/flag-set', { key: secret })).body.flags);
        const response = await target.request('POST', '/api/v1/evaluate', {
          key: secret,
          body: { flagKey: 'b', context: { targetingKey: 'u', plan: 'pro' } },
        });
        expect(response.body).toMatchObject({ variant: 'on', reason: 'TARGETING_MATCH' });
      });

      it('changes nothing if repeated', async () => {
        const document = await exportFrom(source);
        await atTarget('POST', '/api/v1/import', document);
        const before = (await atTarget('GET', '/api/v1/flag-set?environment=production')).body.id;
        const { body } = await atTarget('POST', '/api/v1/import', document);
        const outcomes = body.environments.map(({ outcome }: { outcome: string }) => outcome);
        expect(outcomes).toEqual(['unchanged', 'unchanged', 'unchanged']);
        expect((await atTarget('GET', '/api/v1/flag-set?environment=production')).body.id).toBe(
          before,
        );
      });

      it('starts a new epoch, and followers receive the whole new flag set', async () => {
        const url = await target.listen();
        const path = '/api/v1/flag-set?environment=production';
        const before = (await atTarget('GET', path)).body.id.split('.');
        const stream = await openSse(`${url}${path.replace('?', '/stream?')}`, { key: TARGET_KEY });
        await stream.next();
        await atTarget('POST', '/api/v1/import', await exportFrom(source));
        expect(await stream.next()).toMatchObject({
          event: 'set',
          data: { flags: { a: { key: 'a' }, b: { version: 2 } } },
        });
        const after = (await atTarget('GET', path)).body.id.split('.');
        expect([after[0] === before[0], Number(after[1])]).toEqual([false, Number(before[1]) + 1]);
        stream.close();
      });

      it('adds one entry to the audit log of each environment', async () => {
        await atTarget('POST', '/api/v1/import', await exportFrom(source));
        const log = (await atTarget('GET', '/api/v1/audit?environment=production')).body.items;
        expect(log).toMatchObject([
          {
            action: 'environment.import',
            before: { flags: 0, segments: 0 },
            after: { flags: 3, segments: 1 },
          },
        ]);
        const control = (
          await atTarget('GET', '/api/v1/audit?environment=*&action=environment.create&limit=1')
        ).body.items;
        expect(control).toMatchObject([{ action: 'environment.create', key: 'staging' }]);
      });

      it('returns the changes to each field in a dry run, and writes nothing', async () => {
        await atTarget('POST', '/api/v1/import', await exportFrom(source));
        await atTarget('PATCH', '/api/v1/flags/b?environment=production', { description: 'mine' });
        await atTarget('POST', '/api/v1/flags?environment=production', {
          key: 'extra',
          enabled: true,
        });
        await atTarget('DELETE', '/api/v1/flags/c?environment=staging');
        const before = await exportFrom(target, TARGET_KEY);
        const document = await exportFrom(source);
        const { status, body } = await atTarget(
          'POST',
          '/api/v1/import?dryRun=true&overwrite=true',
          document,
        );
        expect([status, body.dryRun]).toEqual([200, true]);
        expect(body.environments).toEqual([
          { key: 'development', outcome: 'unchanged', changes: [] },
          {
            key: 'production',
            outcome: 'overwrite',
            changes: [
              {
                kind: 'flag',
                key: 'b',
                change: 'change',
                differences: expect.arrayContaining([
                  { path: 'description', before: 'mine', after: 'changed once' },
                  { path: 'version', before: 3, after: 4 },
                ]),
              },
              { kind: 'flag', key: 'extra', change: 'remove', differences: [] },
            ],
          },
          {
            key: 'staging',
            outcome: 'create',
            changes: [{ kind: 'flag', key: 'c', change: 'add', differences: [] }],
          },
        ]);
        expect(await exportFrom(target, TARGET_KEY)).toEqual(before);
      });

      it('fails as a whole if it would overwrite anything, unless `overwrite` is set', async () => {
        await atTarget('POST', '/api/v1/flags?environment=production', {
          key: 'mine',
          enabled: true,
        });
        const before = await exportFrom(target, TARGET_KEY);
        const document = await exportFrom(source);
        const refused = await atTarget('POST', '/api/v1/import', document);
        expect([refused.status, refused.body.error.code]).toEqual([409, 'CONFLICT']);
        expect(refused.body.error.message).toContain('environment "production"');
        expect(await exportFrom(target, TARGET_KEY)).toEqual(before);
        expect((await atTarget('POST', '/api/v1/import?overwrite=true', document)).status).toBe(
          200,
        );
        expect(await exportFrom(target, TARGET_KEY)).toEqual(document);
      });

      it('never imports the admin key, and replaces a key with the same id only with `overwrite`', async () => {
        await source.keyOf('viewer');
        const document = await exportFrom(source);
        await atTarget('POST', '/api/v1/import', document);
        const renamed = structuredClone(document);
        renamed.keys[0].name = 'renamed';
        expect((await atTarget('POST', '/api/v1/import', renamed)).status).toBe(409);
        expect((await atTarget('POST', '/api/v1/import?overwrite=true', renamed)).status).toBe(200);
        expect((await exportFrom(target, TARGET_KEY)).keys[0].name).toBe('renamed');
        renamed.keys[0].id = 'admin';
        expect((await atTarget('POST', '/api/v1/import?overwrite=true', renamed)).status).toBe(400);
        expect((await atTarget('GET', '/api/v1/environments')).status).toBe(200);
      });

      it('of one environment requires its admin; keys and new environments require an admin of all', async () => {
        const admin = await source.keyOf('admin', 'staging');
        const one = (await source.request('GET', '/api/v1/export', { key: admin })).body;
        one.environments[0].flags[0].enabled = true;
        const send = (body: unknown) =>
          source.request('POST', '/api/v1/import?overwrite=true', { key: admin, body });
        expect((await send(one)).status).toBe(200);
        expect(
          (await source.request('GET', '/api/v1/flags/c?environment=staging')).body.enabled,
        ).toBe(true);
        expect((await send({ ...one, keys: (await exportFrom(source)).keys })).status).toBe(403);
        const elsewhere = structuredClone(one);
        elsewhere.environments[0].key = 'production';
        expect((await send(elsewhere)).status).toBe(403);
      });
    });

    describe('an invalid document is rejected and nothing is imported', () => {
      // oxlint-disable-next-line typescript/no-explicit-any
      type Document = any;
      it.each<[string, (document: Document) => unknown]>([
        ['another format', document => (document.formatVersion = 2)],
        ['an unknown field', document => (document.bogus = true)],
        [
          'a field of the wrong type',
          document => (document.environments[1].flags[0].enabled = 'false'),
        ],
        [
          'two flags with the same key',
          document => document.environments[1].flags.push(document.environments[1].flags[0]),
        ],
        [
          'two environments with the same key',
          document => document.environments.push(document.environments[0]),
        ],
        [
          'a flag that refers to a missing segment',
          document => (document.environments[1].segments = []),
        ],
        [
          'a flag that refers to a missing flag',
          document => document.environments[1].flags.shift(),
        ],
        [
          'a rule with an unknown variant',
          document => (document.environments[1].flags[0].rules[0].variant = 'x'),
        ],
        ['a key of an unknown environment', document => (document.keys[0].environment = 'nowhere')],
        [
          'a server key for all environments',
          document => Object.assign(document.keys[0], { role: 'server', environment: '*' }),
        ],
        [
          'allowed origins of a key that is not a client key',
          document => (document.keys[0].allowedOrigins = ['https://a.b']),
        ],
        ['an invalid hash', document => (document.keys[0].hash = 'secret')],
        [
          'a flag with the key __proto__',
          document => (document.environments[1].flags[0].key = '__proto__'),
        ],
      ])('%s', async (_, corrupt) => {
        await source.keyOf('viewer');
        const document = await exportFrom(source);
        corrupt(document);
        const before = await exportFrom(target, TARGET_KEY);
        const refused = await atTarget('POST', '/api/v1/import', document);
        expect([refused.status, refused.body.error.code]).toEqual([400, 'BAD_REQUEST']);
        expect(refused.body.error.details.length).toBeGreaterThan(0);
        expect(await exportFrom(target, TARGET_KEY)).toEqual(before);
      });

      it('accepts only "true" and "false" as options in the query', async () => {
        const document = await exportFrom(source);
        expect((await atTarget('POST', '/api/v1/import?dryRun=yes', document)).status).toBe(400);
        expect((await atTarget('POST', '/api/v1/import?overwright=true', document)).status).toBe(
          400,
        );
        expect(
          (await atTarget('POST', '/api/v1/import', { ...document, dryRun: true })).status,
        ).toBe(400);
      });
    });

    describe('the body of an import', () => {
      const large = (bytes: number) => ({
        formatVersion: 1,
        environments: [
          { key: 'x'.repeat(bytes), createdAt: '2026-01-01T00:00:00Z', flags: [], segments: [] },
        ],
      });

      it('does not raise the limit of other routes', async () => {
        expect((await atTarget('POST', '/trpc/flags.create', large(2_000_000))).status).toBe(413);
        expect(
          (await atTarget('POST', '/trpc/transfer.import,flags.list', large(2_000_000))).status,
        ).toBe(413);
      });

      it('may contain flags of the maximum depth', async () => {
        const deep = (levels: number): object => (levels === 0 ? {} : { in: deep(levels - 1) });
        const create = (levels: number) =>
          source.api('POST', '/flags', {
            body: {
              key: 'deep',
              enabled: true,
              type: 'object',
              variants: { on: deep(levels) },
              defaultVariant: 'on',
            },
          });
        let levels = 40;
        while ((await create(levels)).status !== 201) levels -= 1;
        expect(levels).toBeGreaterThan(10);
        const document = await exportFrom(source);
        expect((await atTarget('POST', '/api/v1/import', document)).status).toBe(200);
        expect(await exportFrom(target, TARGET_KEY)).toEqual(document);
      });
    });

    describe('an import never changes what existing keys may do', () => {
      const exported = (fields: object) => ({
        formatVersion: 1,
        environments: [],
        keys: [
          {
            id: 'imported',
            name: 'imported',
            role: 'viewer',
            environment: 'production',
            createdAt: '2026-01-01T00:00:00Z',
            hash: 'a'.repeat(64),
            ...fields,
          },
        ],
      });
      const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex');
      const send = (body: unknown, query = '?overwrite=true') =>
        atTarget('POST', `/api/v1/import${query}`, body);

      it('refuses the hash of the admin key or another key, and names both ids but not the hash', async () => {
        const secret = await source.keyOf('server');
        await send(await exportFrom(source));
        const { id } = (await atTarget('GET', '/api/v1/keys')).body.items.find(
          (key: { role: string }) => key.role === 'server',
        );
        for (const [hash, holder] of [
          [hashOf(TARGET_KEY), 'admin'],
          [hashOf(secret), id],
        ] as const) {
          const body = exported({ hash, role: 'admin', environment: '*' });
          const refused = await send(body);
          expect([refused.status, refused.body.error.code]).toEqual([409, 'CONFLICT']);
          expect(refused.body.error.message).toContain(
            `key "imported" has the same secret as key "${holder}"`,
          );
          expect(refused.text).not.toContain(hash);
          const dryRun = await send(body, '?overwrite=true&dryRun=true');
          expect(dryRun.body.keys).toEqual([
            {
              id: 'imported',
              name: 'imported',
              outcome: 'refused',
              conflict: `key "imported" has the same secret as key "${holder}"`,
            },
          ]);
        }
        expect((await atTarget('GET', '/api/v1/keys')).status).toBe(200);
        expect((await target.request('GET', '/api/v1/flag-set', { key: secret })).status).toBe(200);
      });

      it('refuses two keys of one document with the same hash', async () => {
        const first = exported({ id: 'first', role: 'client' });
        const [second] = exported({ id: 'second', role: 'admin' }).keys;
        const refused = await send({ ...first, keys: [...first.keys, second] });
        expect(refused.status).toBe(409);
        expect(refused.body.error.message).toContain(
          'key "second" has the same secret as key "first"',
        );
        expect(refused.text).not.toContain('a'.repeat(64));
      });

      it.each([
        ['secret', { hash: 'b'.repeat(64) }],
        ['role', { role: 'admin' }],
        ['environment', { environment: 'development' }],
        ['expiresAt', { expiresAt: '2020-01-01T00:00:00Z' }],
        ['allowedOrigins', { role: 'client', allowedOrigins: ['https://a.example'] }],
      ])('refuses another %s of an existing key', async (what, fields) => {
        const role = what === 'allowedOrigins' ? 'client' : 'viewer';
        expect((await send(exported({ role }))).status).toBe(200);
        const refused = await send(exported(fields));
        expect(refused.status).toBe(409);
        expect(refused.body.error.message).toContain(`key "imported" has another ${what} here`);
        expect((await send(exported({ role, name: 'renamed' }))).status).toBe(200);
      });

      it.each(['', 'x'.repeat(65), 'a/b', '..', 'ä'])('refuses the id %j of a key', async id => {
        const refused = await send(exported({ id }));
        expect(refused.status).toBe(400);
        expect(refused.body.error.details[0].path).toBe('keys.0.id');
      });
    });
  });
};
