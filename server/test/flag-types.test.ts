import { readFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

/** Flags of all types. The files of the tests that compile the types contain exactly these. */
const FLAGS = [
  {
    key: 'theme',
    type: 'string',
    description: 'The colours of the page.\nIn "settings" */ for all.',
    variants: { dark: 'dark', bright: 'light' },
    codeDefault: 'system',
  },
  { key: 'region', type: 'string', variants: { eu: 'eu', us: 'us' } },
  { key: 'greeting', type: 'string', variants: { long: 'Welcome! '.repeat(20), none: '' } },
  { key: 'new-checkout', description: 'type: the checkout with fewer steps' },
  { key: 'beta', codeDefault: true },
  { key: 'price', type: 'number', variants: { low: 1, high: 2.5 } },
  { key: 'ratio', type: 'number', numberType: 'float', variants: { half: 0.5, one: 1 }, codeDefault: 1 }, // prettier-ignore
  { key: 'retries', type: 'number', variants: { few: 3, many: 30 }, defaultVariant: 'many' },
  {
    key: 'limits',
    type: 'object',
    variants: { small: { max: 10, names: ['a', null] }, large: { max: 99, names: [] } },
    defaultVariant: 'small',
  },
  { key: 'empty', type: 'object', variants: { none: {} }, defaultVariant: 'none' },
];

const createFlags = async () => {
  for (const flag of FLAGS) {
    const body = {
      enabled: true,
      ...('variants' in flag ? { defaultVariant: null } : {}),
      ...flag,
    };
    const created = await server.api('POST', '/flags', { body });
    expect([flag.key, created.status, created.text]).toEqual([flag.key, 201, expect.any(String)]);
  }
};

const compiled = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const FILES = {
  ts: compiled('../../packages/packaging/test/fixtures/compilers/flags.ts'),
  py: compiled('../../python-provider/tests/flag_types_example.py'),
} as const;

const read = (language: keyof typeof FILES, headers = {}) =>
  server.api('GET', `/types.${language}`, { headers });

describe.each(['ts', 'py'] as const)('GET /types.%s', language => {
  it('returns the types and default values of all flags', async () => {
    await createFlags();
    const { status, text, headers } = await read(language);
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
    expect(text).toBe(FILES[language]);
  });

  it('is the same to the byte after changes that code does not see', async () => {
    await createFlags();
    const { headers, text } = await read(language);
    const patch = { rules: [{ variant: 'eu', percentage: 10 }], tags: ['a'], enabled: false };
    await server.api('PATCH', '/flags/region', { body: { ...patch, defaultVariant: 'us' } });
    await server.api('PATCH', '/flags/region', { body: { defaultVariant: null } });
    await server.api('PATCH', '/flags/region', { body: { variants: { us: 'us', eu: 'eu' } } });
    const after = await read(language);
    expect(after.text).toBe(text);
    expect(after.headers['etag']).toBe(headers['etag']);
    const known = { 'if-none-match': String(headers['etag']) };
    expect(await read(language, known)).toMatchObject({ status: 304, text: '' });
  });

  it('is the same on another server with the same flags', async () => {
    await createFlags();
    const { headers } = await read(language);
    await using other = await startServer();
    const exported = await server.request('GET', '/api/v1/export');
    const query = '?overwrite=true';
    await other.request('POST', `/api/v1/import${query}`, { body: exported.body });
    const there = await other.api('GET', `/types.${language}`);
    expect([there.text, there.headers['etag']]).toEqual([FILES[language], headers['etag']]);
  });

  it('changes with the values, and has no flags at first', async () => {
    const before = await read(language);
    expect(before.text).not.toContain('"beta"');
    await createFlags();
    const all = await read(language);
    await server.api('PATCH', '/flags/beta', { body: { codeDefault: false } });
    const after = await read(language);
    expect(new Set([before, all, after].map(({ headers }) => headers['etag'])).size).toBe(3);
    const known = { 'if-none-match': String(all.headers['etag']) };
    expect((await read(language, known)).status).toBe(200);
  });

  it('is compressed, with a tag of its own', async () => {
    await createFlags();
    const plain = await read(language);
    const zipped = await read(language, { 'accept-encoding': 'gzip' });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    const known = { 'if-none-match': String(zipped.headers['etag']) };
    expect(zipped.headers['etag']).not.toBe(plain.headers['etag']);
    expect((await read(language, known)).status).toBe(304);
  });
});

describe('the types of large objects', () => {
  it('have no fields, and the default value has all', async () => {
    const value = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`field-${at}`, at]));
    const flag = { key: 'large', type: 'object', variants: { all: value }, defaultVariant: 'all' };
    await server.api('POST', '/flags', { body: { enabled: true, ...flag } });
    const { text } = await read('ts');
    expect(text).toContain('"large": Record<string, any>;');
    expect(text).toContain(`"large": ${JSON.stringify(value)},`);
  });
});
