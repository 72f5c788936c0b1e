import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';

let server: TestServer;
// oxlint-disable-next-line typescript/no-explicit-any
let document: any;
beforeAll(async () => {
  server = await startServer();
  document = (await server.ask('GET', '/openapi.json', { key: null })).body;
});
afterAll(() => server.close());

describe('/openapi.json', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    expect(document.openapi).toBe('3.1.0');
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({
      valid: true,
    });
  });

  it('holds every route of the server and no other', () => {
    const documented = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map(method => `${method.toUpperCase()} ${path}`),
    );
    const served = server.routes
      .filter(
        ({ method, url }) =>
          method !== 'HEAD' &&
          method !== 'OPTIONS' &&
          !url.startsWith('/docs/') &&
          url !== '/trpc/transfer.import',
      )
      .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    expect(documented.toSorted()).toEqual(served.toSorted());
  });

  it('describes answers as they are, errors included', async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'api');
    const holds = (method: string, path: string, answer: { status: number; body: unknown }) => {
      const pointer = [
        'paths',
        path,
        method.toLowerCase(),
        'responses',
        String(answer.status),
        'content',
        'application/json',
        'schema',
      ]
        .map(part =>
          part
            .replaceAll('~', '~0')
            .replaceAll('/', '~1')
            .replaceAll('{', '%7B')
            .replaceAll('}', '%7D'),
        )
        .join('/');
      const valid = ajv.validate(`api#/${pointer}`, answer.body);
      expect([method, path, answer.status, valid ? [] : ajv.errors]).toEqual([
        method,
        path,
        answer.status,
        [],
      ]);
    };
    const ask = async (
      method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
      path: string,
      template: string,
      body?: object,
    ) =>
      holds(
        method,
        `/api/v1${template}`,
        await server.api(method, path, body === undefined ? {} : { body }),
      );
    await ask('POST', '/flags', '/flags', { key: 'f', enabled: true, rules: [{ percentage: 10 }] });
    await ask('POST', '/flags', '/flags', { key: 'f', enabled: true });
    await ask('POST', '/flags', '/flags', { key: 'f', enabled: 'x' });
    await ask('GET', '/flags/f', '/flags/{key}');
    await ask('GET', '/flags/ghost', '/flags/{key}');
    await ask('GET', '/flags', '/flags');
    await ask('PATCH', '/flags/f', '/flags/{key}', { description: null });
    await ask('PUT', '/flags/f', '/flags/{key}', { enabled: false });
    await ask('POST', '/flags/f/copy', '/flags/{key}/copy', { to: 'development', dryRun: true });
    await ask('POST', '/flags/f/copy', '/flags/{key}/copy', { to: 'development' });
    await ask('GET', '/audit', '/audit');
    await ask('POST', '/evaluate', '/evaluate', { flagKey: 'f', context: {} });
    await ask('POST', '/evaluate', '/evaluate', { flagKey: 'f', context: {}, explain: true });
    await ask('POST', '/evaluations', '/evaluations', { context: {} });
    await ask('GET', '/flag-set', '/flag-set');
    holds('GET', '/api/v1/environments', await server.ask('GET', '/api/v1/environments'));
    holds('GET', '/api/v1/keys', await server.ask('GET', '/api/v1/keys'));
    holds('GET', '/healthz', await server.ask('GET', '/healthz'));
  });

  it('names the query, the headers and the status codes that REST has of its own', () => {
    const put = document.paths['/api/v1/flags/{key}'].put;
    expect(
      put.parameters
        .map(({ name, in: place }: { name: string; in: string }) => `${place} ${name}`)
        .toSorted(),
    ).toEqual(['header If-Match', 'path key', 'query environment']);
    expect(Object.keys(put.responses)).toEqual([
      '200',
      '400',
      '401',
      '403',
      '404',
      '412',
      '413',
      '415',
      '429',
      '500',
      '503',
    ]);
    const create = document.paths['/api/v1/flags'].post;
    expect(create.responses['201'].headers).toHaveProperty('Location');
    expect(document.paths['/api/v1/keys'].post.responses['201'].headers).toEqual({});
    expect(put.requestBody.content['application/json'].schema.properties).toHaveProperty('key');
    expect(document.paths['/api/v1/flags/{key}'].get.responses).toHaveProperty('304');
    expect(document.paths['/api/v1/flags/{key}'].delete.responses).toHaveProperty('204');
  });
});

describe('/docs', () => {
  it('loads nothing from elsewhere', async () => {
    const page = await server.ask('GET', '/docs', { key: null });
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//);
    for (const [, path = ''] of page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect([path, (await server.ask('GET', path, { key: null })).status]).toEqual([path, 200]);
    }
  });
});
