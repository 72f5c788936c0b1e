import { afterAll, beforeAll, expect, it } from 'vitest';

import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.api('POST', '/flags', { body: { key: 'f', enabled: true } });
});
afterAll(() => server.close());

const NUMBER = '9007199254740993';
const rule = `{"attribute": "id", "operator": "equals", "value": ${NUMBER}}`;
const variants = `"type": "object", "variants": {"a": {"deep": [${NUMBER}]}}, "defaultVariant": "a"`;

it.each([
  {
    what: 'an operand',
    method: 'POST',
    path: '/api/v1/flags?environment=production',
    text: `{"key": "g", "enabled": true, "rules": [${rule}]}`,
    field: 'rules.0.value',
  },
  {
    what: 'a value',
    method: 'POST',
    path: '/api/v1/flags?environment=production',
    text: `{"key": "g", "enabled": true, ${variants}}`,
    field: 'variants.a.deep.0',
  },
  {
    what: 'metadata',
    method: 'PATCH',
    path: '/api/v1/flags/f?environment=production',
    text: `{"metadata": {"owner": ${NUMBER}}}`,
    field: 'metadata.owner',
  },
  {
    what: 'a percentage',
    method: 'PATCH',
    path: '/api/v1/flags/f?environment=production',
    text: `{"rules": [{"percentage": 1e400}]}`,
    field: 'rules.0.percentage',
  },
  {
    what: 'a segment',
    method: 'POST',
    path: '/api/v1/segments?environment=production',
    text: `{"key": "s", "conditions": [${rule}]}`,
    field: 'conditions.0.value',
  },
  {
    what: 'an import',
    method: 'POST',
    path: '/api/v1/import',
    text: `{"environments": [{"name": ${NUMBER}}]}`,
    field: 'environments.0.name',
  },
  {
    what: 'a batch over tRPC',
    method: 'POST',
    path: '/trpc/flags.update?batch=1',
    text: `{"0": {"key": "f", "metadata": {"owner": ${NUMBER}}}}`,
    field: 'metadata.owner',
  },
] as const)(
  '$what that a number cannot represent is refused with its field and the remedy',
  async ({ method, path, text, field }) => {
    const response = await server.request(method, path, { text });
    expect(response.status).toBe(400);
    expect(response.text).toContain(`${field} is `);
    expect(response.text).toContain('write it as text');
    const flags = await server.api('GET', '/flags', { key: ADMIN_KEY });
    expect(flags.body.items).toMatchObject([{ key: 'f', version: 1 }]);
  },
);

it('a context may have any number, which is compared as a double', async () => {
  const text = `{"flagKey": "f", "context": {"id": ${NUMBER}}}`;
  expect(await server.api('POST', '/evaluate', { text })).toMatchObject({ status: 200 });
});
