import { globSync, readFileSync } from 'node:fs';

import { compileMessageOrThrow } from '@lingui/message-utils/compileMessage';
import { expect, it } from 'vitest';

import de from '../src/messages/de.json' with { type: 'json' };
import en from '../src/messages/en.json' with { type: 'json' };

const LANGUAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = { en, de };

/** The names of the placeholders in a message, at any depth. */
const placeholders = (message: unknown): string[] => {
  if (!Array.isArray(message)) return [];
  return message.flatMap((part: unknown) =>
    Array.isArray(part)
      ? [String(part[0]), ...Object.values(Object(part[2]) as object).flatMap(placeholders)]
      : [],
  );
};

it.each(Object.keys(LANGUAGES))('%s has every message, with the same placeholders', language => {
  const messages = LANGUAGES[language] ?? {};
  expect(Object.keys(messages)).toEqual(Object.keys(en));
  const compiled = (texts: Readonly<Record<string, string>>) =>
    Object.entries(texts).map(([id, text]) => [
      id,
      [...new Set(placeholders(compileMessageOrThrow(text)))].toSorted(),
    ]);
  expect(compiled(messages)).toEqual(compiled(en));
});

it.each(Object.keys(LANGUAGES))('%s has percentages in the form of the language', language => {
  const [, between = ''] = /\d(\D*)%$/.exec(formatIn(language)) ?? [];
  const percentages = Object.values(LANGUAGES[language] ?? {}).flatMap(text => [
    ...text.matchAll(/[\d}](\s*)%/g),
  ]);
  expect(percentages).not.toEqual([]);
  expect(percentages.filter(([, space]) => space !== between)).toEqual([]);
});

const formatIn = (language: string): string =>
  new Intl.NumberFormat(language, { style: 'percent' }).format(1);

it('the messages are sorted by their ids, and all of them are used', () => {
  expect(Object.keys(en)).toEqual(Object.keys(en).toSorted());
  const cwd = new URL('../src/', import.meta.url);
  const source = globSync('**/*.{ts,tsx}', { cwd })
    .map(path => readFileSync(new URL(path, cwd), 'utf8'))
    .join('\n');
  const isUsed = (id: string): boolean =>
    source.includes(`'${id}'`) || source.includes(`\`${id.replace(/\.\w+$/, '.${')}`);
  expect(Object.keys(en).filter(id => !isUsed(id))).toEqual([]);
});
