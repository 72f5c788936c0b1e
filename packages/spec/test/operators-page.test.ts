import { readFileSync } from 'node:fs';

import { compile, evaluate } from '@pennon/engine';
import { expect, test } from 'vitest';

import operators from '../operators.json' with { type: 'json' };

const page = readFileSync(new URL('../../../docs/operators.md', import.meta.url), 'utf8');

type Row = { operator: string; example: unknown; missing: string };

const rows: Row[] = page
  .split('\n')
  .map(line => line.split(/\s*\|\s*/))
  .filter(([, name]) => /^`\w+`$/.test(name ?? ''))
  .map(([, name = '', , example = '', missing = '']) => ({
    operator: name.replaceAll('`', ''),
    example: JSON.parse(example.replaceAll(/^`|`$/g, '')),
    missing,
  }));

const enabledBy = (condition: unknown, context: unknown) => {
  const flag = {
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    rules: [{ conditions: [condition], variant: 'on' }],
  };
  return evaluate(compile({ flags: { flag } }), 'flag', context);
};

test('the page lists every operator, in the order of the schema', () => {
  expect(rows.map(({ operator }) => operator)).toEqual(Object.keys(operators));
});

test.each(rows)(
  'the example of $operator is valid, and its result for a missing attribute is $missing',
  row => {
    expect(row.example).toMatchObject({ operator: row.operator });
    const { reason, enabled } = enabledBy(row.example, {});
    expect(reason).not.toBe('ERROR');
    expect(String(enabled)).toBe(row.missing);
  },
);
