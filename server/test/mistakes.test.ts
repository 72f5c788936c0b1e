import type { Role } from '@pennon/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { MISTAKES, type Mistake } from './support/mistakes.ts';
import type { TestResponse, TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
const keys = new Map<Role, string>();
beforeAll(async () => {
  server = await startServer();
  const conditions = [{ attribute: 'email', operator: 'endsWith', value: '@example.com' }];
  await server.api('POST', '/segments', { body: { key: 'beta-testers', conditions } });
  const theme = { key: 'theme', type: 'string', enabled: true, clientVisible: true };
  const variants = { light: 'l', dark: 'd' };
  await server.api('POST', '/flags', { body: { ...theme, variants, defaultVariant: 'light' } });
  const rules = [{ conditions: [{ segment: 'beta-testers' }], percentage: 50 }];
  await server.api('POST', '/flags', { body: { key: 'rollout', enabled: true, rules } });
  await server.api('POST', '/flags', { body: { key: 'hidden', enabled: true } });
  for (const role of ['admin', 'editor', 'viewer', 'server', 'client'] as const)
    keys.set(role, await server.keyOf(role));
});
afterAll(() => server.close());

const keyOf = ({ role, noKey }: Mistake): { key?: string | null } => {
  if (noKey === true) return { key: null };
  const key = role === undefined ? undefined : keys.get(role);
  return key === undefined ? {} : { key };
};

const send = (mistake: Mistake): Promise<TestResponse> => {
  const { method, path, text, headers, body } = mistake;
  const url = /^\/(?:api|trpc|metrics)/.test(path) ? path : `/api/v1${path}`;
  return server.request(method, url, {
    ...keyOf(mistake),
    ...(body === undefined ? {} : { body }),
    ...(text === undefined ? {} : { text }),
    ...(headers === undefined ? {} : { headers }),
  });
};

type ErrorBody = { message: string; details?: { path: string; message: string }[] };

describe('a message names the place, the problem and the remedy', () => {
  it('for more than 150 mistakes, each with a title of its own', () => {
    const titles = MISTAKES.map(([{ title }]) => title);
    expect(new Set(titles).size).toBe(titles.length);
    expect(titles.length).toBeGreaterThan(150);
  });

  const rows = MISTAKES.map(([mistake, ...expected]) => ({
    title: mistake.title,
    mistake,
    expected,
  }));

  it.each(rows)(
    'for the mistake "$title"',
    async ({ mistake, expected: [status, place, message] }) => {
      const response = await send(mistake);
      const error: ErrorBody = response.body.error.data?.error ?? response.body.error;
      expect([response.status, error.message]).toEqual([status, expect.any(String)]);
      if (place === null) return expect(error.message).toContain(message);
      const found = (error.details ?? []).filter(({ path }) => path === place);
      expect(found.map(detail => detail.message).join()).toContain(message);
    },
  );
});

describe('a message contains nothing that the caller may not see', () => {
  const evaluate = async (flagKey: string, role: Role) => {
    const { text, status } = await send({
      title: 'unknown flag',
      method: 'POST',
      path: '/evaluate?environment=production',
      body: { flagKey, context: {} },
      role,
    });
    return { status, text: text.replaceAll(flagKey, '<key>') };
  };

  it('a hidden flag, an unknown one and one that is similar look the same to a client key', async () => {
    const unknown = await evaluate('unknown', 'client');
    expect(unknown.status).toBe(404);
    for (const key of ['hidden', 'hiden', 'theem'])
      expect([key, await evaluate(key, 'client')]).toEqual([key, unknown]);
  });

  it('a key for one environment gets no names of others', async () => {
    for (const role of ['admin', 'editor', 'server', 'client'] as const) {
      const key = keys.get(role) ?? null;
      const body = { flagKey: 'theme', context: {} };
      const path = '/api/v1/evaluate?environment=developmnt';
      const response = await server.request('POST', path, { key, body });
      expect([role, response.status]).toEqual([role, 403]);
      expect(response.text).not.toContain('"development');
    }
  });
});

it.each([
  [undefined, 'the body is missing: it must be a JSON object with "to"'],
  [['production'], 'the body must be a JSON object with "to"'],
])('the message about the body %j is a sentence', async (body, message) => {
  const path = '/flags/theme/copy?environment=production';
  const response = await server.api('POST', path, { body });
  expect(response.body.error).toMatchObject({ code: 'BAD_REQUEST', message });
});
