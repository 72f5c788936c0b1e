import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { Role } from '@pennon/schema';

import type { Permission } from '../src/auth/permissions.ts';
import { hasPermission, ROLES } from '../src/auth/permissions.ts';
import { ERRORS } from '../src/errors.ts';
import { elementsOf } from './support/markdown.ts';
import { startServer } from './support/server.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The cells of all table rows of a page. */
const rowsOf = (path: string): readonly (readonly string[])[] =>
  elementsOf(read(path)).flatMap(element => (element.kind === 'row' ? [element.cells] : []));

/** OpenFeature's enumeration of error codes. */
const OPENFEATURE_ERRORS = [
  'PROVIDER_NOT_READY',
  'PROVIDER_FATAL',
  'FLAG_NOT_FOUND',
  'PARSE_ERROR',
  'TYPE_MISMATCH',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
  'GENERAL',
];

it('docs/errors.md lists every error code of the API with its status, and those of OpenFeature', () => {
  const rows = rowsOf('docs/errors.md').filter(([code = '']) => /^[A-Z_]+$/.test(code));
  const split = rows.findIndex(([code]) => code === 'PROVIDER_NOT_READY');
  const ofApi = rows.slice(0, split).map(([code = '', status]) => [code, Number(status)]);
  const expected = Object.entries(ERRORS).map(([code, { http }]) => [code, http]);
  expect(ofApi).toHaveLength(expected.length);
  expect(Object.fromEntries(ofApi)).toEqual(Object.fromEntries(expected));
  expect(rows.slice(split).map(([code]) => code)).toEqual(
    expect.arrayContaining(OPENFEATURE_ERRORS),
  );
  expect(rows.flat()).not.toContain('');
});

it('docs/security.md lists every permission with its roles', () => {
  const rolesOf = (permission: Permission): string[] =>
    Role.options.filter(role => hasPermission(role, permission)).toSorted();
  const permissions = new Set<Permission>(Object.values(ROLES).flat());
  const expected = [...permissions].map(permission => [permission, rolesOf(permission)]);
  const listed = rowsOf('docs/security.md')
    .filter(([name = '']) => /^\w+\.?\w*$/.test(name))
    .map(([name = '', , roles = '']) => [name, roles.replaceAll('`', '').split(', ').toSorted()]);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(expected));
});

it('the dashboard, the alerts and docs/operations.md use only metrics that the server has', async () => {
  await using server = await startServer();
  const { text } = await server.request('GET', '/metrics');
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  const files = [
    'deploy/grafana/pennon.json',
    'deploy/prometheus/alerts.yaml',
    'docs/operations.md',
  ];
  const used = files.flatMap(file =>
    [...read(file).matchAll(/\bpennon_\w+/g)].map(([name]) =>
      name.replace(/_(?:bucket|count|sum)$/, ''),
    ),
  );
  expect(names).toEqual(expect.arrayContaining([...new Set(used)]));
});

it('docs/rest.md states how many cases packages/spec has', () => {
  const folder = new URL('../../packages/spec/cases/', import.meta.url);
  const total = readdirSync(folder)
    .map(name => JSON.parse(readFileSync(new URL(name, folder), 'utf8')).cases.length)
    .reduce((sum, count) => sum + count, 0);
  const [, stated = ''] = /more than ([\d,]+) test cases/.exec(read('docs/rest.md')) ?? [];
  expect(Math.floor(total / 100) * 100).toBe(Number(stated.replace(',', '')));
});

it('docs/operations.md explains every alert', () => {
  const alerts = [...read('deploy/prometheus/alerts.yaml').matchAll(/alert: (\w+)/g)].map(
    ([, name]) => name,
  );
  const explained = rowsOf('docs/operations.md')
    .map(([name]) => name)
    .filter(name => name?.startsWith('Pennon'));
  expect(explained).toEqual(alerts);
});
