import { execFileSync } from 'node:child_process';

import { expect, it } from 'vitest';

import { keyOf } from '../src/flag/context.ts';
import type { FlagDocument } from '../src/flag/document.ts';
import { snippetOf, type SnippetInput } from '../src/flag/snippets.ts';

const FLAG: FlagDocument = {
  key: 'new-checkout',
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'off',
  rules: [],
  seed: 'new-checkout',
  clientVisible: false,
  metadata: {},
  version: 1,
  createdAt: '2026-01-01T00:00:00Z',
  updatedAt: '2026-01-01T00:00:00Z',
};

const input = (document: Partial<FlagDocument> = {}, context: SnippetInput['context'] = {}) => ({
  url: 'https://flags.example.com',
  environment: 'production',
  document: { ...FLAG, ...document },
  context,
});

it('as curl sends the context exactly, with any characters', () => {
  const context = { targetingKey: `it's $HOME "\\ \`id\` ü\n`, list: [1, null, true] };
  const command = snippetOf('curl', input({}, context)).replace('curl', String.raw`printf '%s\n'`);
  const sent = execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trimEnd().split('\n');
  expect(JSON.parse(sent.at(-1) ?? '')).toEqual({ flagKey: 'new-checkout', context });
});

it('in Python has its literals, and the method for the type of numbers', () => {
  const context = { targetingKey: 'ada', beta: true, team: null, tags: ['a', 2] };
  const code = snippetOf('python', input({ type: 'number', numberType: 'integer' }, context));
  expect(code).toContain(
    'EvaluationContext("ada", {"beta": True, "team": None, "tags": ["a", 2]})',
  );
  expect(code).toContain('get_integer_value(\n    "new-checkout", 0, context');
});

it.each([
  ['node', 'getStringValue'],
  ['web', 'getStringValue'],
  ['react', 'useStringFlagValue'],
] as const)(
  'in %s reads a flag by its type, with the default value of the code',
  (language, name) => {
    const code = snippetOf(language, input({ type: 'string', codeDefault: 'blue' }));
    expect(code).toContain(name);
    expect(code).toContain('"blue"');
  },
);

it.each([
  ['Zoë Müller, free', 'zoe-muller-free'],
  ['--A  b--', 'a-b'],
  ['x'.repeat(200), 'x'.repeat(100)],
])('the key of a context with the name %j is %j', (name, key) => {
  expect(keyOf(name)).toBe(key);
});

it('the key of a context whose name has no letters of a key is a new one', () => {
  expect(keyOf('三')).toMatch(/^context-[0-9a-f]{12}$/);
});
