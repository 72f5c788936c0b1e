import { readFileSync } from 'node:fs';

/**
 * The Lua scripts: each is one step in Redis, which nothing interrupts. They are sent as a whole every
 * time: a Redis that has just started, or has just become master, knows none of them, and Redis itself
 * keeps what it has compiled.
 */
const script = (name: string): string =>
  readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');

export const SCRIPTS = {
  commit: script('commit'),
  drop: script('drop'),
  documents: script('documents'),
  audit: script('audit'),
  known: script('known'),
  announce: script('announce'),
} as const;

export type ScriptName = keyof typeof SCRIPTS;
