import type { Clock } from '../../clock.ts';
import type { Random } from '../../random.ts';
import type { Answer, Connections, Send } from './connections.ts';
import type { Keys } from './keys.ts';
import { SCRIPTS, type ScriptName } from './scripts.ts';

/** What the operations of the store work with. */
export type RedisContext = {
  readonly connections: Connections;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly random: Random;
  /** Changes that the feed keeps, about. */
  readonly changeFeedLength: number;
  /** Audit entries that the log keeps, about; undefined keeps them all. */
  readonly auditMaxEntries: number | undefined;
};

type Arguments = readonly (string | number)[];

/** Runs a script over a connection. */
export const run = (
  send: Send,
  script: ScriptName,
  keys: readonly string[],
  args: Arguments,
): Promise<Answer> => send('eval', [SCRIPTS[script], keys.length, ...keys, ...args]);

/** What Redis replied; throws where it did not. */
export const replyOf = async (answer: Promise<Answer>): Promise<unknown> => {
  const given = await answer;
  if (given.type === 'reply') return given.reply;
  throw given.error;
};
