import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { BODY_EXAMPLES } from '../src/http/openapi-examples.ts';
import { restRoutes } from '../src/http/rest-route.ts';
import { StoreError } from '../src/store/store.ts';
import { createFakeClock } from './support/fake-clock.ts';
import type { RequestOptions, TestResponse, TestServer } from './support/server.ts';
import { joinAs } from './support/sign-in.ts';
import { ADMIN_KEY, startServer } from './support/server.ts';

let server: TestServer;
// oxlint-disable-next-line typescript/no-explicit-any
let document: any;
beforeAll(async () => {
  server = await startServer();
  document = (await server.request('GET', '/openapi.json', { key: null })).body;
});
afterAll(() => server.close());

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Returns a check that a response has a documented status and the schema documented for it. */
const documentedResponses = () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'api');
  return (method: Method, path: string, { status, body }: TestResponse): void => {
    const documented = document.paths[path][method.toLowerCase()].responses[status];
    expect([method, path, status, documented]).toEqual([method, path, status, expect.anything()]);
    if (documented.content?.['application/json'] === undefined) return;
    const pointer = ['paths', path, method.toLowerCase(), 'responses', String(status)]
      .concat(['content', 'application/json', 'schema'])
      .map(part => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const isValid = ajv.validate(`api#/${pointer}`, body);
    expect([method, path, status, isValid ? [] : ajv.errors]).toEqual([method, path, status, []]);
  };
};

describe('/openapi.json', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    expect(document.openapi).toBe('3.1.0');
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({
      valid: true,
    });
  });

  it('has every route of the server and no other', () => {
    const documented = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map(method => `${method.toUpperCase()} ${path}`),
    );
    const served = server.routes
      .filter(
        ({ method, url }) =>
          method !== 'HEAD' &&
          method !== 'OPTIONS' &&
          !url.startsWith('/docs/') &&
          // Only pages of the console can use them.
          !url.startsWith('/auth/') &&
          url !== '/trpc/transfer.import',
      )
      .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
    expect(documented.toSorted()).toEqual(served.toSorted());
  });

  it('describes both forms of an import', () => {
    const { schema } =
      document.paths['/api/v1/import'].post.requestBody.content['application/json'];
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'api');
    const validate = ajv.compile({ $ref: 'api#/components/schemas/FlagdFile' });
    const flag = { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'on' };
    const targeting = { if: [{ '===': [{ var: 'plan' }, 'pro'] }, 'on', 'off'] };
    const $evaluators = { isPro: { '===': [{ var: 'plan' }, 'pro'] } };
    expect(schema.anyOf.map(({ $ref }: { $ref: string }) => $ref)).toEqual([
      '#/components/schemas/TransferImportBody',
      '#/components/schemas/FlagdFile',
    ]);
    expect(validate({ flags: { a: { ...flag, targeting } }, $evaluators })).toBe(true);
    expect(validate({ flags: { a: { ...flag, state: 'on' } } })).toBe(false);
  });

  it('describes responses as they are, including errors', async () => {
    const expectDocumented = documentedResponses();
    const send = async (method: Method, path: string, template: string, body?: object) => {
      const response = await server.api(method, path, body === undefined ? {} : { body });
      expectDocumented(method, `/api/v1${template}`, response);
    };
    await send('POST', '/flags', '/flags', {
      key: 'f',
      enabled: true,
      rules: [{ percentage: 10 }],
    });
    await send('POST', '/flags', '/flags', { key: 'f', enabled: true });
    await send('POST', '/flags', '/flags', { key: 'f', enabled: 'x' });
    await send('GET', '/flags/f', '/flags/{key}');
    await send('GET', '/flags/ghost', '/flags/{key}');
    await send('GET', '/flags', '/flags');
    await send('PATCH', '/flags/f', '/flags/{key}', { description: null });
    await send('PUT', '/flags/f', '/flags/{key}', { enabled: false });
    await send('POST', '/flags/f/copy', '/flags/{key}/copy', { to: 'development', dryRun: true });
    await send('POST', '/flags/f/copy', '/flags/{key}/copy', { to: 'development' });
    await send('GET', '/flags/f/versions', '/flags/{key}/versions');
    await send('GET', '/flags/f/versions/1', '/flags/{key}/versions/{version}');
    await send('GET', '/flags/f/versions/9', '/flags/{key}/versions/{version}');
    await send('GET', '/flags/f/versions/2/diff', '/flags/{key}/versions/{version}/diff');
    await send('POST', '/flags/f/revert', '/flags/{key}/revert', { version: 1 });
    await send('POST', '/flags/f/revert', '/flags/{key}/revert', { version: 9 });
    const rule = { id: 'r', attribute: 'plan', operator: 'equals', value: 'pro', variant: 'off' };
    await send('POST', '/flags/f/rules', '/flags/{key}/rules', { ...rule, position: 0 });
    await send('POST', '/flags/f/rules', '/flags/{key}/rules', rule);
    await send('PATCH', '/flags/f/rules/r', '/flags/{key}/rules/{id}', { percentage: 5 });
    await send('DELETE', '/flags/f/rules/ghost', '/flags/{key}/rules/{id}');
    await send('DELETE', '/flags/f/rules/r', '/flags/{key}/rules/{id}');
    await send('PATCH', '/flags', '/flags', { keys: ['f'], patch: { tags: ['a'] } });
    await send('PATCH', '/flags', '/flags', { keys: ['ghost'], patch: {} });
    await send('GET', '/audit', '/audit');
    await send('POST', '/evaluate', '/evaluate', { flagKey: 'f', context: {} });
    await send('POST', '/evaluate', '/evaluate', { flagKey: 'f', context: {}, explain: true });
    await send('POST', '/evaluations', '/evaluations', { context: {} });
    await send('GET', '/flag-set', '/flag-set');
    await send('GET', '/types.ts', '/types.ts');
    const manifest = '/openfeature/v0/manifest';
    for (const [method, path, template, flag] of [
      ['GET', '', ''],
      ['POST', '/flags', '/flags', { key: 'm', type: 'float', defaultValue: 1 }],
      ['POST', '/flags', '/flags', { key: 'm', type: 'float', defaultValue: 'x' }],
      ['PUT', '/flags/m', '/flags/{key}', { key: 'm', type: 'string' }],
      ['DELETE', '/flags/m', '/flags/{key}'],
      ['DELETE', '/flags/m', '/flags/{key}'],
    ] as const)
      expectDocumented(
        method,
        manifest + template,
        await server.request(method, `${manifest}${path}?environment=production`, { body: flag }),
      );
    expectDocumented(
      'GET',
      '/api/v1/environments',
      await server.request('GET', '/api/v1/environments'),
    );
    expectDocumented('GET', '/api/v1/keys', await server.request('GET', '/api/v1/keys'));
    expectDocumented('GET', '/healthz', await server.request('GET', '/healthz'));
  });

  it('documents the query, headers and status codes of REST', () => {
    const put = document.paths['/api/v1/flags/{key}'].put;
    expect(
      put.parameters
        .map(({ name, in: place }: { name: string; in: string }) => `${place} ${name}`)
        .toSorted(),
    ).toEqual([
      'header If-Match',
      'header If-None-Match',
      'header X-Change-Comment',
      'path key',
      'query environment',
    ]);
    expect(Object.keys(put.responses)).toEqual([
      '200',
      '201',
      '400',
      '401',
      '403',
      '404',
      '409',
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
    expect(put.requestBody.content['application/json'].schema.$ref).toMatch(/FlagsReplaceBody$/);
    expect(document.components.schemas.FlagsReplaceBody.properties).toHaveProperty('key');
    expect(document.paths['/api/v1/flags/{key}'].get.responses).toHaveProperty('304');
    expect(document.paths['/api/v1/flags/{key}'].get.responses).not.toHaveProperty('409');
    const results = document.paths['/api/v1/experiments/{key}/results'].get;
    expect(results.responses).toHaveProperty('409');
    expect(document.paths['/api/v1/flags/{key}'].delete.responses).toHaveProperty('204');
  });
});

describe('the schemas of /openapi.json', () => {
  const objectsIn = (node: unknown): Record<string, unknown>[] => {
    if (typeof node !== 'object' || node === null) return [];
    const inner = Object.values(node).flatMap(objectsIn);
    return Array.isArray(node) ? inner : [node as Record<string, unknown>, ...inner];
  };

  it('are all used, and all defined', () => {
    const prefix = '#/components/schemas/';
    const references = objectsIn(document).flatMap(({ $ref }) =>
      typeof $ref === 'string' ? [$ref.replace(prefix, '')] : [],
    );
    expect([...new Set(references)].toSorted()).toEqual(
      Object.keys(document.components.schemas).toSorted(),
    );
  });

  it('have one type each, or one type and null', () => {
    const lists = objectsIn(document).flatMap(({ type }) => (Array.isArray(type) ? [type] : []));
    expect(lists.length).toBeGreaterThan(10);
    for (const types of lists) expect(types).toEqual([expect.any(String), 'null']);
  });

  it('have a member for each type of a flag, chosen by the type', () => {
    for (const name of ['Flag', 'FlagResponse', 'EvaluationFlag']) {
      const { schemas } = document.components;
      const { mapping, propertyName } = schemas[name].discriminator;
      expect(propertyName).toBe('type');
      expect(Object.keys(mapping)).toEqual(['boolean', 'string', 'number', 'object']);
      const number = schemas[mapping.number.split('/').at(-1)];
      expect(number.properties.type.enum).toEqual(['number']);
      expect(number.properties.variants.additionalProperties).toEqual({ type: 'number' });
    }
  });

  it('accept a flag of each type, and refuse values of another type', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'api');
    const at = '2026-01-31T12:00:00.000Z';
    const flagOf = (type: string, value: unknown) => ({
      key: 'a',
      type,
      enabled: true,
      variants: { a: value },
      defaultVariant: null,
      rules: [],
      seed: 'a',
      clientVisible: false,
      metadata: { a: 1, b: 'b', c: true },
      version: 1,
      createdAt: at,
      updatedAt: at,
    });
    const accepts = (flag: object) => ajv.validate('api#/components/schemas/Flag', flag);
    const values = { boolean: true, string: 'a', number: 1.5, object: { a: [1] } };
    for (const [type, value] of Object.entries(values)) {
      expect([type, accepts(flagOf(type, value))]).toEqual([type, true]);
      for (const other of Object.keys(values).filter(each => each !== type))
        expect([type, other, accepts(flagOf(other, value))]).toEqual([type, other, false]);
    }
  });
});

/** Makes a person who has signed in. Returns the ids by path. */
const fillPeople = async (on: TestServer): Promise<Record<string, string>> => {
  await joinAs(on, [{ environment: 'production', role: 'viewer' }]);
  const firstId = async (path: string) => (await on.request('GET', path)).body.items[0].id;
  return {
    '/api/v1/people/{id}': await firstId('/api/v1/people'),
    '/api/v1/sessions/{id}': await firstId('/api/v1/sessions'),
  };
};

describe('the examples of /openapi.json', () => {
  type Parameter = { in: string; name: string; required?: boolean; example?: string | number };
  type Operation = {
    operationId: string;
    parameters?: Parameter[];
    requestBody?: { content: { 'application/json': { example?: object } } };
  };

  const operations = () =>
    Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        path,
        method: method.toUpperCase(),
        ...operation,
      })),
    );

  const besideProcedures = (): string[] =>
    restRoutes()
      .filter(({ example }) => example !== undefined)
      .map(({ procedure }) => procedure.replace('.', '-'));

  it('exist for every request body', () => {
    const missing = operations().filter(
      ({ requestBody }) => requestBody && !requestBody.content['application/json'].example,
    );
    expect(missing.map(({ operationId }) => operationId)).toEqual([]);
    const withBody = operations().filter(({ requestBody }) => requestBody !== undefined);
    const ids = withBody.map(({ operationId }) => operationId);
    expect([...Object.keys(BODY_EXAMPLES), ...besideProcedures()].toSorted()).toEqual(
      ids.toSorted(),
    );
  });

  /** The URL with the example of each parameter, as a page that tries an operation fills it in. */
  const urlOf = (path: string, parameters: readonly Parameter[], ids: Record<string, string>) => {
    const query = new URLSearchParams();
    let url = path;
    for (const { in: place, name, example = ids[path] } of parameters) {
      if (example === undefined) continue;
      if (place === 'path') url = url.replace(`{${name}}`, String(example));
      if (place === 'query') query.set(name, String(example));
    }
    return `${url}?${query.toString()}`;
  };

  it('succeed as they are on a new server: every body, then every GET, then every DELETE', async () => {
    await using own = await startServer();
    const base = await own.listen();
    const ids: Record<string, string> = {
      ...(await fillPeople(own)),
    };
    const send = async ({
      path,
      method,
      parameters = [],
      requestBody,
    }: ReturnType<typeof operations>[number]) => {
      const abort = new AbortController();
      const example = requestBody?.content['application/json'].example;
      const response = await fetch(base + urlOf(path, parameters, ids), {
        method,
        signal: abort.signal,
        headers: {
          authorization: `Bearer ${ADMIN_KEY}`,
          ...(example && { 'content-type': 'application/json' }),
        },
        ...(example && { body: JSON.stringify(example) }),
      });
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      const text = isStream ? '' : await response.text();
      abort.abort();
      expect([method, path, response.ok, text]).toEqual([method, path, true, text]);
      if (/^\/api\/v1\/(keys|invitations)$/.test(path) && method === 'POST')
        ids[`${path}/{id}`] = JSON.parse(text).id;
      if (path === '/ofrep/v1/evaluate/flags')
        ids['/ofrep/v1/events'] = /\?ticket=([^"]+)/.exec(text)?.[1] ?? '';
    };
    const byId = new Map(operations().map(each => [each.operationId, each]));
    const sendById = async (id: string) => {
      const operation = byId.get(id);
      if (operation !== undefined) await send(operation);
    };
    const sendRamp = async () => {
      for (const action of ['start', 'approve', 'pause', 'resume', 'advance', 'rollback'])
        await sendById(`ramps-${action}`);
    };
    for (const operationId of [...besideProcedures(), ...Object.keys(BODY_EXAMPLES)]) {
      // Only a running experiment has statistics and is decided, and a start has no body.
      if (operationId === 'experiments-putStatistics') {
        await own.api('PATCH', '/experiments/checkout-2', { body: { source: 'external' } });
        await sendById('experiments-start');
      }
      if (operationId === 'ramps-update') await sendRamp();
      await sendById(operationId);
    }
    const rest = operations().filter(({ path }) => !path.startsWith('/trpc/'));
    for (const operation of rest) if (operation.method === 'GET') await send(operation);
    const deletes = rest.filter(({ method }) => method === 'DELETE');
    // A rule is deleted before its flag.
    for (const operation of deletes.toSorted((a, b) => b.path.length - a.path.length))
      await send(operation);
  });
});

describe('every response documented for a GET', () => {
  const KEY = 'known';
  /** The key of a ramp is not that of an experiment. */
  const RAMP = 'known-ramp';
  const LAYER = 'layer';
  const OWN_KEYS = {
    '/api/v1/ramps/{key}': RAMP,
    '/api/v1/ramps/{key}/status': RAMP,
    '/api/v1/layers/{key}': LAYER,
  };
  /** Paths of the JSON routes that take a key. */
  const paths = () =>
    Object.entries<Record<string, { responses: Record<string, { content?: object }> }>>(
      document.paths,
    ).flatMap(([path, { get }]) =>
      get !== undefined &&
      path.startsWith('/api/v1/') &&
      'application/json' in (get.responses['200']?.content ?? {})
        ? [{ path, get, statuses: Object.keys(get.responses).map(Number) }]
        : [],
    );
  type Path = ReturnType<typeof paths>[number];

  const takes = ({ get }: Path, name: string): boolean =>
    ((get as { parameters?: { name: string }[] }).parameters ?? []).some(
      parameter => parameter.name === name,
    );
  let ids: Record<string, string> = {};
  const urlOf = (
    route: Path,
    { key = ids[route.path] ?? KEY, environment = 'production' } = {},
  ): string => {
    const url = route.path.replace('{version}', '1').replaceAll(/\{\w+\}/g, key);
    if (takes(route, 'to')) return `${url}?to=production`;
    const flag = route.path === '/api/v1/usage' ? `&flag=${key}` : '';
    return takes(route, 'environment') ? `${url}?environment=${environment}${flag}` : url;
  };

  const fill = async (on: TestServer): Promise<void> => {
    const conditions = [{ attribute: 'plan', operator: 'equals', value: 'pro' }];
    await on.request('POST', '/api/v1/environments', { body: { key: KEY } });
    await on.api('POST', '/segments', { body: { key: KEY, conditions } });
    const split = ['on', 'off'].map(variant => ({ variant, weight: 1 }));
    const rules = [{ id: 'test', split }];
    await on.api('POST', '/flags', { body: { key: KEY, enabled: true, rules } });
    const metric = { kind: 'conversion', event: 'bought', window: { toMs: 60_000 } };
    await on.api('POST', '/metrics', { body: { key: KEY, ...metric } });
    const metrics = [{ metric: KEY, role: 'primary' }];
    const experiment = { flag: KEY, rule: 'test', control: 'off', metrics };
    await on.api('POST', '/experiments', { body: { key: KEY, ...experiment } });
    await on.api('POST', '/layers', { body: { key: LAYER } });
    const ramp = {
      flag: KEY,
      rule: 'release',
      treatment: 'on',
      steps: [{ share: 1, holdMinutes: 1 }],
    };
    await on.api('POST', '/ramps', { body: { key: RAMP, ...ramp } });
    await on.api('POST', `/experiments/${KEY}/start`);
    ids = { ...(await fillPeople(on)), ...OWN_KEYS };
  };

  /** Checks the response of each route for which `request` returns one. Returns how many there are. */
  const check = async (
    on: TestServer,
    status: number,
    request: (
      route: Path,
    ) => Promise<{ url: string } & RequestOptions> | ({ url: string } & RequestOptions) | undefined,
  ): Promise<number> => {
    const expectDocumented = documentedResponses();
    let count = 0;
    for (const route of paths().filter(({ statuses }) => statuses.includes(status))) {
      const sent = await request(route);
      if (sent === undefined) continue;
      const { url, ...options } = sent;
      const response = await on.request('GET', url, options);
      expect([route.path, response.status]).toEqual([route.path, status]);
      expectDocumented('GET', route.path, response);
      const headers = Object.keys(document.paths[route.path].get.responses[status].headers ?? {});
      expect(response.headers).toMatchObject(
        Object.fromEntries(headers.map(name => [name.toLowerCase(), expect.anything()])),
      );
      count += 1;
    }
    return count;
  };

  it('is sent: 200, 304, 400, 401, 403 and 404', async () => {
    await using own = await startServer();
    await fill(own);
    const client = await own.keyOf('client');
    expect(await check(own, 200, route => ({ url: urlOf(route) }))).toBe(paths().length);
    const conditional = await check(own, 304, async route => {
      const url = urlOf(route);
      const { etag } = (await own.request('GET', url)).headers;
      return { url, headers: { 'if-none-match': String(etag) } };
    });
    expect(conditional).toBeGreaterThanOrEqual(3);
    await check(own, 400, ({ path }) => ({ url: `${path.replaceAll(/\{\w+\}/g, KEY)}?bogus=1` }));
    await check(own, 401, route => ({ url: urlOf(route), key: null }));
    await check(own, 403, route => ({ url: urlOf(route), key: client }));
    await check(own, 404, route => {
      if (route.path.includes('{')) return { url: urlOf(route, { key: 'unknown' }) };
      // Nothing can be missing if a route names neither a resource nor an environment.
      if (!takes(route, 'environment')) return undefined;
      return { url: urlOf(route, { environment: 'unknown' }) };
    });
  });

  it('is sent: 429 above the rate limit', async () => {
    await using own = await startServer({
      clock: createFakeClock(),
      limits: { requestsPerSecond: 1 },
    });
    for (let status = 200; status !== 429;)
      ({ status } = await own.request('GET', '/api/v1/environments'));
    expect(await check(own, 429, route => ({ url: urlOf(route) }))).toBe(paths().length);
  });

  it.each([
    [503, new StoreError('unavailable', 'the store is not available')],
    [500, new Error('unexpected')],
  ])('is sent: %i if the store fails', async (status, error) => {
    let fails = false;
    const unlessFailing = <Result>(call: () => Promise<Result>): Promise<Result> =>
      fails ? Promise.reject(error) : call();
    await using own = await startServer({
      wrapStore: store => ({
        ...store,
        get: (...args) => unlessFailing(() => store.get(...args)),
        head: (...args) => unlessFailing(() => store.head(...args)),
        versions: (...args) => unlessFailing(() => store.versions(...args)),
        findAudit: (...args) => unlessFailing(() => store.findAudit(...args)),
      }),
    });
    await fill(own);
    fails = true;
    const count = await check(own, status, route =>
      /flags|segments|audit/.test(route.path) ? { url: urlOf(route) } : undefined,
    );
    expect(count).toBe(11);
  });
});

describe('/docs', () => {
  it('loads nothing from other origins', async () => {
    const page = await server.request('GET', '/docs', { key: null });
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//);
    for (const [, path = ''] of page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect([path, (await server.request('GET', path, { key: null })).status]).toEqual([
        path,
        200,
      ]);
    }
  });
});
