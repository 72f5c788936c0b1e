import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

const { situations }: { situations: { name: string; mode: string; steps: object[] }[] } =
  JSON.parse(readFileSync(new URL('../statuses.json', import.meta.url), 'utf8'));

it('the names of the situations are unique', () => {
  const names = situations.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

it.each(situations)('the situation "$name" starts first, and only once', ({ mode, steps }) => {
  expect(['in-process', 'remote', 'offline', 'web']).toContain(mode);
  expect(steps.map(step => 'start' in step)).toEqual(steps.map((_, index) => index === 0));
});
