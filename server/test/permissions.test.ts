import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Role } from '@pennon/schema';

import { procedures, restRoutes } from '../src/http/rest-route.ts';
import type { TestServer } from './support/server.ts';
import { startServer } from './support/server.ts';
import { joinAs, OWN_PAGE } from './support/sign-in.ts';

/**
 * Who may do what, repeated here by hand. A procedure or route that is missing from these tables, or that
 * declares no permission, fails this test.
 */
const readers: Role[] = ['admin', 'editor', 'viewer'];
const writers: Role[] = ['admin', 'editor'];
const everyone: Role[] = ['admin', 'editor', 'viewer', 'server', 'client'];
const admins: Role[] = ['admin'];
const followers: Role[] = ['admin', 'server'];
const typed: Role[] = ['admin', 'editor', 'viewer', 'server'];

const PROCEDURES: Record<string, Role[]> = {
  'flags.create': writers,
  'flags.list': readers,
  'flags.get': readers,
  'flags.replace': writers,
  'flags.update': writers,
  'flags.delete': writers,
  'flags.copy': writers,
  'flags.listVersions': readers,
  'flags.getVersion': readers,
  'flags.compareVersions': readers,
  'flags.revert': writers,
  'flags.updateMany': writers,
  'flags.tagMany': writers,
  'flags.deleteMany': writers,
  'flags.addRule': writers,
  'flags.updateRule': writers,
  'flags.deleteRule': writers,
  'flags.updateRuleMembers': writers,
  'flags.watch': readers,
  'flags.attributes': readers,
  'flags.overview': readers,
  'flags.watchOverview': readers,
  'segments.create': writers,
  'segments.list': readers,
  'segments.get': readers,
  'segments.replace': writers,
  'segments.update': writers,
  'segments.delete': writers,
  'segments.copy': writers,
  'segments.listVersions': readers,
  'segments.getVersion': readers,
  'segments.compareVersions': readers,
  'segments.revert': writers,
  'segments.updateMembers': writers,
  'metrics.create': writers,
  'metrics.list': readers,
  'metrics.get': readers,
  'metrics.replace': writers,
  'metrics.update': writers,
  'metrics.delete': writers,
  'metrics.copy': writers,
  'experiments.create': writers,
  'experiments.list': readers,
  'experiments.get': readers,
  'experiments.replace': writers,
  'experiments.update': writers,
  'experiments.delete': writers,
  'experiments.copy': writers,
  'experiments.start': writers,
  'experiments.stop': writers,
  'experiments.restart': writers,
  'experiments.decide': writers,
  'layers.create': writers,
  'layers.list': readers,
  'layers.get': readers,
  'layers.replace': writers,
  'layers.update': writers,
  'layers.delete': writers,
  'layers.claim': writers,
  'layers.release': writers,
  'experiments.getResults': readers,
  'experiments.getSeries': readers,
  'experiments.getHealth': readers,
  'experiments.getMoments': readers,
  'experiments.putStatistics': writers,
  'experiments.plan': readers,
  'experiments.unit': admins,
  'experiments.results': readers,
  'ramps.create': writers,
  'ramps.list': readers,
  'ramps.get': readers,
  'ramps.replace': writers,
  'ramps.update': writers,
  'ramps.delete': writers,
  'ramps.copy': writers,
  'ramps.start': writers,
  'ramps.pause': writers,
  'ramps.resume': writers,
  'ramps.advance': writers,
  'ramps.approve': writers,
  'ramps.rollback': writers,
  'ramps.status': readers,
  'ramps.watch': readers,
  'environments.create': admins,
  'environments.list': readers,
  'environments.update': admins,
  'environments.compare': readers,
  'environments.promote': writers,
  'environments.delete': admins,
  'environments.restore': admins,
  'contexts.list': readers,
  'contexts.save': writers,
  'contexts.delete': writers,
  'keys.create': admins,
  'keys.list': admins,
  'keys.delete': admins,
  'people.list': admins,
  'people.get': admins,
  'people.update': admins,
  'people.delete': admins,
  'groups.create': admins,
  'groups.list': admins,
  'groups.update': admins,
  'groups.delete': admins,
  'invitations.create': admins,
  'invitations.list': admins,
  'invitations.delete': admins,
  'sessions.list': readers,
  'sessions.delete': readers,
  'account.changePassword': readers,
  'account.createToken': readers,
  'account.listTokens': readers,
  'account.deleteToken': readers,
  'audit.list': readers,
  'evaluation.evaluate': everyone,
  'evaluation.evaluateAll': everyone,
  'evaluation.preview': readers,
  'evaluation.compare': readers,
  'evaluation.watch': ['admin', 'server', 'client'],
  'status.read': readers,
  'transfer.export': admins,
  'transfer.import': admins,
  'transfer.restore': admins,
  'usage.get': readers,
  'usage.recent': readers,
  'usage.unknown': readers,
};

const ROUTES: Record<string, Role[]> = {
  'POST /api/v1/evaluate': everyone,
  'POST /api/v1/evaluations': everyone,
  'POST /api/v1/evaluations/stream': ['admin', 'server', 'client'],
  'POST /ofrep/v1/evaluate/flags': everyone,
  'POST /ofrep/v1/evaluate/flags/:key': everyone,
  'POST /api/v1/usage': ['admin', 'server', 'client'],
  'POST /api/v1/events': ['admin', 'server', 'client'],
  'GET /api/v1/events/export': admins,
  'HEAD /api/v1/events/export': admins,
  'POST /api/v1/events/erase': admins,
  'GET /api/v1/flag-set': followers,
  'HEAD /api/v1/flag-set': followers,
  'GET /api/v1/flag-set/stream': followers,
  'GET /flagd/v1/flags.json': followers,
  'HEAD /flagd/v1/flags.json': followers,
  'GET /api/v1/types.ts': typed,
  'HEAD /api/v1/types.ts': typed,
  'GET /api/v1/types.py': typed,
  'HEAD /api/v1/types.py': typed,
  'GET /openfeature/v0/manifest': readers,
  'HEAD /openfeature/v0/manifest': readers,
  'POST /openfeature/v0/manifest/flags': writers,
  'PUT /openfeature/v0/manifest/flags/:key': writers,
  'DELETE /openfeature/v0/manifest/flags/:key': writers,
  'GET /metrics': readers,
  'HEAD /metrics': readers,
};

/** The status of a request that is allowed, if the body is valid there. */
const ALLOWED: Readonly<Record<string, number>> = {
  '/metrics': 200,
  '/ofrep/v1/evaluate/flags': 200,
  '/ofrep/v1/evaluate/flags/:key': 404,
};

const PUBLIC = [
  '/healthz',
  '/readyz',
  '/openapi.json',
  '/auth/methods',
  '/docs',
  '/docs/start.js',
  '/docs/swagger-ui.css',
  '/docs/swagger-ui-bundle.js',
];

/** They check by themselves who sends a request: it has no key yet. */
const OWN_PAGE_ROUTES = [
  'POST /auth/session',
  'DELETE /auth/session',
  'POST /auth/join',
  'POST /auth/invitation',
];

let server: TestServer;
const keys = new Map<Role, string>();
const globalKeys = new Map<Role, string>();
beforeAll(async () => {
  server = await startServer();
  for (const role of Role.options) {
    keys.set(role, await server.keyOf(role));
    if (role !== 'server' && role !== 'client') globalKeys.set(role, await server.keyOf(role, '*'));
  }
});
afterAll(() => server.close());

/** Invalid for almost every route, so an allowed request is a 400 and changes nothing. */
const body = { bogus: true };

describe('every procedure', () => {
  it('is in the table and declares a permission', () => {
    expect([...procedures().keys()].toSorted()).toEqual(Object.keys(PROCEDURES).toSorted());
    for (const [path, { meta }] of procedures())
      expect([path, meta?.permission]).toEqual([path, expect.any(String)]);
  });

  for (const role of Role.options) {
    it(`allows a ${role} key exactly what the table allows, over tRPC and REST`, async () => {
      const key = keys.get(role) ?? null;
      for (const [path, { type }] of procedures()) {
        const expected = PROCEDURES[path]?.includes(role) ? [400] : [403];
        const response =
          type === 'mutation'
            ? await server.request('POST', `/trpc/${path}`, { key, body })
            : await server.request(
                'GET',
                `/trpc/${path}?input=${encodeURIComponent(JSON.stringify(body))}`,
                { key },
              );
        if (type !== 'subscription')
          expect([path, role, response.status]).toEqual([path, role, expected[0]]);
        else
          expect([path, role, response.text.includes('FORBIDDEN')]).toEqual([
            path,
            role,
            expected[0] === 403,
          ]);
      }
      for (const { procedure, method, path } of restRoutes()) {
        // In place of the key of an environment, it must be the one of the caller.
        const url = `/api/v1${path.replaceAll(/\{\w+\}/g, 'production')}?bogus=true`;
        const response = await server.request(method, url, {
          key,
          ...(method === 'GET' || method === 'DELETE' ? {} : { body }),
        });
        expect([procedure, role, response.status]).toEqual([
          procedure,
          role,
          PROCEDURES[procedure]?.includes(role) ? 400 : 403,
        ]);
      }
    });
  }

  it('rejects requests without a key', async () => {
    for (const [path, { type }] of procedures()) {
      if (type === 'subscription') continue;
      const response = await server.request(type === 'mutation' ? 'POST' : 'GET', `/trpc/${path}`, {
        key: null,
        ...(type === 'mutation' ? { body } : {}),
      });
      expect([path, response.status]).toEqual([path, 401]);
    }
  });
});

/** A person by what they have been granted, and the role that this is worth in each environment. */
const PEOPLE = [
  { grants: [{ environment: 'production', role: 'viewer' }], production: 'viewer' },
  { grants: [{ environment: 'production', role: 'editor' }], production: 'editor' },
  { grants: [{ environment: 'development', role: 'admin' }], development: 'admin' },
  { grants: [{ environment: '*', role: 'editor' }], production: 'editor', development: 'editor' },
  {
    grants: [
      { environment: '*', role: 'viewer' },
      { environment: 'production', role: 'admin' },
    ],
    production: 'admin',
    development: 'viewer',
  },
  { grants: [{ environment: '*', role: 'admin' }], production: 'admin', development: 'admin' },
] as const;

/** Returns how a call over tRPC ends: `allowed` if only its input was refused. */
const outcomeOf = async (path: string, type: string, cookie: string, input: object) => {
  const headers = { ...OWN_PAGE, cookie };
  const response =
    type === 'mutation'
      ? await server.request('POST', `/trpc/${path}`, { key: null, headers, body: input })
      : await server.request(
          'GET',
          `/trpc/${path}?input=${encodeURIComponent(JSON.stringify(input))}`,
          { key: null, headers },
        );
  if (response.status === 403 || response.text.includes('FORBIDDEN')) return 'refused';
  return response.status === 400 || type === 'subscription' ? 'allowed' : response.status;
};

describe('every procedure, for a person', () => {
  it.each(PEOPLE)('with $grants, is allowed as for a key with that role', async person => {
    const cookie = await joinAs(server, person.grants);
    const roles = [...new Set(person.grants.map(({ role }) => role))];
    for (const [path, { type }] of procedures()) {
      const allowed = roles.some(role => PROCEDURES[path]?.includes(role));
      const outcome = await outcomeOf(path, type, cookie, body);
      expect([path, outcome]).toEqual([path, allowed ? 'allowed' : 'refused']);
    }
  });

  it.each(PEOPLE)('with $grants, is refused in environments without the role', async person => {
    const cookie = await joinAs(server, person.grants);
    for (const environment of ['production', 'development'] as const) {
      const role = Object.entries(person).find(([name]) => name === environment)?.[1];
      const may = (path: string) =>
        Role.safeParse(role).data !== undefined &&
        PROCEDURES[path]?.includes(Role.parse(role)) === true;
      for (const path of ['flags.update', 'flags.get', 'segments.delete', 'segments.get']) {
        const input = { environment, key: 'absent' };
        const type = procedures().get(path)?.type ?? '';
        const outcome = await outcomeOf(path, type, cookie, input);
        expect([environment, path, outcome]).toEqual([
          environment,
          path,
          may(path) ? 404 : 'refused',
        ]);
      }
    }
  });

  it('copies from an environment that it may read into one that it may write', async () => {
    const cookie = await joinAs(server, [
      { environment: 'development', role: 'viewer' },
      { environment: 'production', role: 'editor' },
    ]);
    const flag = { environment: 'development', key: 'copied', enabled: true };
    await server.request('POST', '/trpc/flags.create', { body: flag });
    const there = { from: 'development', to: 'production', flags: ['copied'] };
    const copy = { environment: 'development', key: 'copied', to: 'production', overwrite: true };
    const calls = [
      ['environments.promote', there, 200],
      ['environments.promote', { ...there, from: 'production', to: 'development' }, 403],
      ['flags.copy', copy, 200],
      ['flags.copy', { ...copy, environment: 'production', to: 'development' }, 403],
      ['segments.copy', { ...copy, key: 'absent' }, 404],
      ['segments.copy', { ...copy, environment: 'production', to: 'development' }, 403],
    ] as const;
    for (const [path, input, expected] of calls) {
      const { status, text } = await server.request('POST', `/trpc/${path}`, {
        key: null,
        headers: { ...OWN_PAGE, cookie },
        body: input,
      });
      expect([path, input.to, status, text]).toEqual([path, input.to, expected, text]);
    }
  });

  it('copies with a personal token over REST, too', async () => {
    const cookie = await joinAs(server, [
      { environment: 'development', role: 'viewer' },
      { environment: 'production', role: 'editor' },
    ]);
    const { status, body: token } = await server.request('POST', '/trpc/account.createToken', {
      key: null,
      headers: { ...OWN_PAGE, cookie },
      body: { name: 'copies', role: 'editor', environment: '*' },
    });
    expect(status).toBe(200);
    const key = token.result.data.secret;
    const flag = { environment: 'development', key: 'rest-copied', enabled: true };
    await server.request('POST', '/trpc/flags.create', { body: flag });
    const copy = (from: string, to: string) =>
      server.request('POST', `/api/v1/flags/rest-copied/copy?environment=${from}`, {
        key,
        body: { to, overwrite: true },
      });
    expect((await copy('development', 'production')).status).toBe(200);
    expect((await copy('production', 'development')).status).toBe(403);
  });

  it('without roles, refuses everything', async () => {
    const cookie = await joinAs(server, [{ environment: 'production', role: 'viewer' }]);
    const { id } = (await server.request('GET', '/auth/me', { key: null, headers: { cookie } }))
      .body;
    await server.request('PATCH', `/api/v1/people/${id}`, { body: { grants: [] } });
    for (const [path, { type }] of procedures())
      expect([path, await outcomeOf(path, type, cookie, body)]).toEqual([path, 'refused']);
  });
});

describe('every route', () => {
  const rest = () =>
    restRoutes().map(
      ({ method, path }) => `${method} /api/v1${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    );

  it('is a known public route, or protected by its procedures or its permission', () => {
    const guarded = [...Object.keys(ROUTES), ...rest()];
    for (const { method, url, access } of server.routes) {
      const name = `${method} ${url}`;
      if (access === 'public')
        expect([
          ...PUBLIC,
          '/ofrep/v1/events',
          ...Object.keys(ROUTES).map(route => route.slice(5)),
        ]).toContain(url);
      else if (access === 'ticket') expect(name).toBe('GET /ofrep/v1/events');
      else if (access === 'session') expect(name).toBe('GET /auth/me');
      else if (access === 'own-page') expect(OWN_PAGE_ROUTES).toContain(name);
      else if (access === 'procedures')
        expect(url === '/trpc/:path' || url === '/trpc/transfer.import', name).toBe(true);
      else
        expect([...guarded, ...rest().map(route => route.replace('GET ', 'HEAD '))]).toContain(
          name,
        );
    }
  });

  for (const role of Role.options) {
    it(`allows a ${role} key exactly what the table allows`, async () => {
      for (const [name, roles] of Object.entries(ROUTES)) {
        const [method = '', path = ''] = name.split(' ');
        const key = (path === '/metrics' ? globalKeys : keys).get(role) ?? keys.get(role) ?? null;
        const response = await server.request(method as 'GET', `${path}?bogus=true`, {
          key,
          ...(method === 'POST' ? { body } : {}),
        });
        const expected = roles.includes(role) ? (ALLOWED[path] ?? 400) : 403;
        expect([name, role, response.status]).toEqual([name, role, expected]);
        expect(
          (
            await server.request(method as 'GET', path, {
              key: null,
              ...(method === 'POST' ? { body } : {}),
            })
          ).status,
        ).toBe(401);
      }
    });
  }

  for (const role of Role.options) {
    it(`gives a ${role} key a ticket only if it may follow values`, async () => {
      const path = '/ofrep/v1/evaluate/flags';
      const { body: all } = await server.request('POST', path, {
        key: keys.get(role) ?? null,
        body,
      });
      expect('eventStreams' in all).toBe(PROCEDURES['evaluation.watch']?.includes(role));
    });
  }

  it('can be used without a key only if it is public', async () => {
    for (const path of PUBLIC)
      expect([path, (await server.request('GET', path, { key: null })).status]).toEqual([
        path,
        200,
      ]);
  });
});
