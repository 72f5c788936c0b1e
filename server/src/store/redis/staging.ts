import type { Ledger } from '../store.ts';
import { replyOf, type RedisContext } from './commands.ts';

export type Argument = string | number;

/** The arguments that the command itself has to send, and the bytes of all. */
export type Staged = { readonly inline: readonly Argument[]; readonly bytes: number };

/** Characters of arguments in one command: what a turn of the event loop encodes in a few milliseconds. */
const PART_LENGTH = 1_000_000;
/** How long staged arguments stay, if the command is never sent. */
const STAGED_TTL_MS = 120_000;

/**
 * Sends the arguments of a large command ahead of it, in parts; its script reads them as scripts/staged.lua does.
 * Sends nothing if they fit into the command.
 */
export const stageArguments = (
  context: RedisContext,
  ledger: Ledger,
  nonce: string,
  all: Iterator<Argument[], void>,
): Staged | Promise<Staged> => {
  const first = nextPart(all);
  return first.isLast
    ? { inline: first.part, bytes: lengthOf(first.part) }
    : stage(context, context.keys.staged(ledger, nonce), { first: first.part, others: all });
};

const lengthOf = (args: readonly Argument[]): number =>
  args.reduce<number>((sum, each) => sum + String(each).length, 0);

/** Returns the next arguments, of about `PART_LENGTH`. */
const nextPart = (all: Iterator<Argument[], void>): { part: Argument[]; isLast: boolean } => {
  const part: Argument[] = [];
  for (let length = 0; length < PART_LENGTH;) {
    const { done, value } = all.next();
    if (done === true) return { part, isLast: true };
    part.push(...value);
    length += lengthOf(value);
  }
  return { part, isLast: false };
};

const stage = async (
  { connections }: RedisContext,
  key: string,
  { first, others }: { readonly first: Argument[]; readonly others: Iterator<Argument[], void> },
): Promise<Staged> => {
  let [count, bytes] = [0, 0];
  for (let next = { part: first, isLast: false }; ; next = nextPart(others)) {
    const { part, isLast } = next;
    bytes += lengthOf(part);
    if (isLast) return { inline: part, bytes };
    const numbered = part.flatMap(argument => [(count += 1), argument]);
    await replyOf(connections.send('hset', [key, ...numbered]));
    await replyOf(connections.send('pexpire', [key, STAGED_TTL_MS]));
  }
};
