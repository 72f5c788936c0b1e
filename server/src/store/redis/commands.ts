import { readFileSync } from 'node:fs';

import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { CommandResult, Connections, Send } from './connections.ts';
import type { Keys } from './keys.ts';

/** What every operation of the store needs. */
export type RedisContext = {
  readonly connections: Connections;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly random: Random;
  /** The approximate number of changes to keep in each feed. */
  readonly changeFeedLength: number;
  /** The approximate number of audit entries to keep in each log. Undefined keeps all. */
  readonly auditMaxEntries: number | undefined;
  readonly onWarning: (message: string) => void;
  /** Called with the number of entries in the keys that Pennon did not write, and that it has removed or replaced. */
  readonly onForeign: (count: number) => void;
};

const readScript = (name: string): string =>
  readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');

const LOST = readScript('lost');
const STAGED = readScript('staged');

/** The Lua scripts. Redis runs each one atomically. */
const SCRIPTS = {
  commit: LOST + STAGED + readScript('commit'),
  head: LOST + readScript('head'),
  remove: readScript('remove'),
  documents: LOST + readScript('documents'),
  findAudit: readScript('find-audit'),
  auditEntries: readScript('audit-entries'),
  containsChange: readScript('contains-change'),
  reportServer: readScript('report-server'),
  guard: LOST + readScript('guard'),
  restore: LOST + STAGED + readScript('restore'),
  forget: readScript('forget'),
  mend: LOST + readScript('mend'),
  repair: readScript('repair'),
  addUsage: readScript('add-usage'),
  claimUsage: readScript('claim-usage'),
  writeFold: readScript('write-fold'),
  readGroup: readScript('read-group'),
  lead: readScript('lead'),
} as const;

/**
 * Runs a script. Its text is sent every time, because a Redis that has just started or become master does
 * not have it. Redis caches the compiled script.
 */
export const runScript = (
  send: Send,
  script: keyof typeof SCRIPTS,
  keys: readonly string[],
  args: Parameters<Send>[1],
): Promise<CommandResult> => send('eval', [SCRIPTS[script], keys.length, ...keys, ...args]);

/** Runs a script that reads, and returns bytes in place of texts. */
export const readBytes = (
  send: Send,
  script: 'readGroup',
  keys: readonly string[],
): Promise<CommandResult> => send('eval', [SCRIPTS[script], keys.length, ...keys], 'bytes');

/** Returns the reply of a command. Throws its StoreError if there is none. */
export const replyOf = async (result: Promise<CommandResult>): Promise<unknown> => {
  const settled = await result;
  if (settled.type === 'reply') return settled.reply;
  throw settled.error;
};
