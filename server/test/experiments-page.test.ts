import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { startServer } from './support/server.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/experiments.md'), 'utf8');

/** Returns the bodies that the page sends, by the path that they are sent to. */
const bodies = new Map(
  [...page.matchAll(/"\$PENNON(\/[\w/-]+)[^"]*" -d '(\{[^']*\})'/g)].map(
    ([, path = '', body = '']) => [path, JSON.parse(body) as object],
  ),
);

/** The numbers of the comparison in the table of the page, with the digits that it shows. */
const numbers = [...page.matchAll(/^\| `([\w.]+)` +\| (-?\d\.\d+) +\|/gm)].map(
  ([, name = '', text = '']) => ({ name, text }),
);

const valueAt = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, name) => Reflect.get(Object(inner), name), value);

it('the numbers of docs/experiments.md are those of a server', async () => {
  await using server = await startServer();
  const plan = await server.request('POST', '/api/v1/plan', { body: bodies.get('/plan') });
  expect(plan.body.units).toBe(31_504);
  for (const path of ['/flags', '/metrics', '/experiments'])
    expect((await server.api('POST', path, { body: bodies.get(path) })).status).toBe(201);
  await server.api('POST', '/experiments/one-page-sells/start');
  const path = '/experiments/one-page-sells/statistics';
  const { body } = await server.api('POST', path, { body: bodies.get(path) });
  const [comparison] = body.metrics[0].comparisons;
  expect(numbers).toHaveLength(9);
  expect(
    numbers.map(({ name, text }) => {
      const digits = text.split('.')[1]?.length ?? 0;
      return [name, Number(valueAt(comparison, name)).toFixed(digits)];
    }),
  ).toEqual(numbers.map(({ name, text }) => [name, text]));
});
