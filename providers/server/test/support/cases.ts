import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A case that every engine and every provider runs. */
export type Case = {
  readonly name: string;
  readonly flagSet: unknown;
  readonly flagKey: string;
  readonly context: unknown;
  readonly expected: {
    readonly flagKey: string;
    readonly enabled: boolean;
    readonly reason: string;
    readonly variant?: string;
    readonly value?: unknown;
    readonly errorCode?: string;
    readonly metadata?: object;
  };
  readonly mentions?: readonly string[];
};

export type Theme = { readonly theme: string; readonly cases: readonly Case[] };

const CASES = new URL('../../../../packages/spec/cases/', import.meta.url).pathname;

/** What the files of cases say is trusted: the engine's own tests look at it. */
export const readThemes = (): Theme[] =>
  readdirSync(CASES)
    .filter(name => name.endsWith('.json'))
    .toSorted()
    .map((name): Theme => JSON.parse(readFileSync(join(CASES, name), 'utf8')));

const INFINITE = '\uE000infinite\uE000';

/** JSON as the cases write it: infinite numbers as 1e999. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => {
    if (member === Infinity) return INFINITE;
    return member === -Infinity ? `-${INFINITE}` : member;
  })
    .replaceAll(`"-${INFINITE}"`, '-1e999')
    .replaceAll(`"${INFINITE}"`, '1e999');
