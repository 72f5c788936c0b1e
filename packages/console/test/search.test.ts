import { describe, expect, it } from 'vitest';

import {
  inOrder,
  withEnabled,
  withoutFlag,
  withRows,
  type Overview,
  type Row,
} from '../src/flags/overview.ts';
import { parseSearch } from '../src/flags/search.ts';
import { sortRows } from '../src/flags/sort.ts';

const NOW = Date.parse('2026-06-15T12:00:00Z');

type CellFields = Partial<NonNullable<Row['cells'][string]>>;

const cell = (fields: CellFields = {}): NonNullable<Row['cells'][string]> => ({
  enabled: true,
  rules: 0,
  serves: { variant: 'on' },
  version: 1,
  updatedAt: '2026-06-01T00:00:00Z',
  lastEvaluated: null,
  ...fields,
});

const row = (key: string, fields: Partial<Row> = {}): Row => ({
  key,
  name: null,
  type: 'boolean',
  tags: [],
  owner: null,
  cells: { staging: cell(), production: cell() },
  ...fields,
});

const ROWS = [
  row('beta', { tags: ['Checkout', 'two words'], owner: 'Ada Lovelace' }),
  row('new-checkout', {
    name: 'Express pay',
    cells: { staging: cell(), production: cell({ enabled: false }) },
  }),
  row('old', { type: 'string', cells: { staging: cell({ rules: 2 }), production: null } }),
  row('recent', {
    cells: {
      staging: cell({ updatedAt: '2026-06-14T12:00:00Z' }),
      production: cell({ percentage: 10, rules: 1 }),
    },
  }),
];

const find = (text: string): string[] => {
  const { matches } = parseSearch(text, ['staging', 'production']);
  return ROWS.filter(each => matches(each, NOW)).map(({ key }) => key);
};

it('an environment with the name of a filter hides no values of the filter', () => {
  const rows = [row('beta', { tags: ['on', 'checkout'], cells: { tag: null } }), row('old')];
  const found = (text: string) =>
    rows.filter(each => parseSearch(text, ['tag']).matches(each, NOW)).map(({ key }) => key);
  expect(found('tag:checkout')).toEqual(['beta']);
  expect(found('tag:none')).toEqual(['beta', 'old']);
  expect(found('tag:on')).toEqual([]);
});

describe('a search of flags', () => {
  it.each([
    ['', ['beta', 'new-checkout', 'old', 'recent']],
    ['checkout', ['beta', 'new-checkout']],
    ['CHECKOUT new', ['new-checkout']],
    ['express', ['new-checkout']],
    ['"express pay"', ['new-checkout']],
    ['tag:checkout', ['beta']],
    ['tag:"two words"', ['beta']],
    ['tag:check', []],
    ['owner:ada', ['beta']],
    ['owner:"ada lovelace"', ['beta']],
    ['type:string', ['old']],
    ['production:off', ['new-checkout']],
    ['production:none', ['old']],
    ['Production:ON', ['beta', 'recent']],
    ['staging:rules', ['old']],
    ['production:split', ['recent']],
    ['changed:<7d', ['recent']],
    ['changed:<36h', ['recent']],
    ['changed:>1w', ['beta', 'new-checkout', 'old']],
    ['staging:on production:off checkout', ['new-checkout']],
    ['<script>', []],
    ['constructor', []],
  ])('for %j finds %j', (text, keys) => {
    expect(find(text)).toEqual(keys);
  });

  it.each([
    'unknown:value',
    'constructor:value',
    '__proto__:value',
    'production:constructor',
    'production:maybe',
    'changed:soon',
    'changed:<7y',
  ])('reports %j, and finds what the other words match', word => {
    const { unknown, matches } = parseSearch(`${word} beta`, ['production']);
    expect(unknown).toEqual([word]);
    expect(ROWS.filter(each => matches(each, NOW)).map(({ key }) => key)).toEqual(['beta']);
  });
});

describe('the order of flags', () => {
  const keysBy = (sort: Parameters<typeof sortRows>[1]) =>
    sortRows(ROWS, sort).map(({ key }) => key);

  it('is that of their keys, or that of a column, in both directions', () => {
    expect(keysBy(undefined)).toEqual(['beta', 'new-checkout', 'old', 'recent']);
    expect(keysBy('-key')).toEqual(['recent', 'old', 'new-checkout', 'beta']);
    expect(keysBy('type')).toEqual(['beta', 'new-checkout', 'recent', 'old']);
    expect(keysBy('-owner')).toEqual(['beta', 'new-checkout', 'old', 'recent']);
    expect(keysBy('-changed')[0]).toBe('recent');
  });
});

describe('an overview that is followed', () => {
  const overview: Overview = { environments: [], revisions: {}, flags: ROWS, etag: '"1"' };

  it('has changed rows in the place of their keys, without those that were deleted', () => {
    const next = withRows(overview, { old: null, alpha: row('alpha') });
    expect(next.flags.map(({ key }) => key)).toEqual(['alpha', 'beta', 'new-checkout', 'recent']);
    expect(next.flags[1]).toBe(ROWS[0]);
  });

  it('keeps flags whose keys are those of properties that each object has', () => {
    const flags = ['constructor', 'toString'].map(key => row(key));
    const next = withRows({ ...overview, flags }, { other: row('other') });
    expect(next.flags.map(({ key }) => key)).toEqual(['constructor', 'other', 'toString']);
  });

  it('has the state that the server has confirmed, in one environment', () => {
    const change = { environment: 'production', keys: ['new-checkout', 'old'], enabled: true };
    const { flags } = withEnabled(overview, change);
    expect(flags[1]?.cells['production']?.enabled).toBe(true);
    expect(flags[1]?.cells['staging']).toBe(ROWS[1]?.cells['staging']);
    expect(flags[2]?.cells['production']).toBeNull();
  });

  it('has numbers in the order in which people count', () => {
    const keys = ['flag-10', 'flag-2', 'flag', 'Flag-1', 'a.10', 'a.9'];
    const ordered = inOrder({ ...overview, flags: keys.map(key => row(key)) });
    expect(ordered.flags.map(({ key }) => key)).toEqual([
      'a.9',
      'a.10',
      'flag',
      'Flag-1',
      'flag-2',
      'flag-10',
    ]);
    expect(withRows(ordered, { 'flag-3': row('flag-3') }).flags[5]?.key).toBe('flag-3');
  });

  it('is without a flag in one environment, and without those that no environment has', () => {
    const once = withoutFlag(overview, 'staging', 'beta');
    expect(once.flags[0]?.cells).toMatchObject({ staging: null, production: { version: 1 } });
    expect(withoutFlag(once, 'production', 'beta').flags[0]?.key).toBe('new-checkout');
  });
});
