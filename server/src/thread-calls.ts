import { readdir, readFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';

import type { PennonError } from './errors.ts';

/** A call with the number that its reply repeats. */
export type ThreadCall = { readonly id: number; readonly name: string; readonly input: unknown };
export type ThreadReply = { readonly id: number } & (
  { readonly result: unknown } | { readonly error: unknown }
);

export type ThreadOptions = {
  readonly main: URL;
  readonly name: string;
  readonly workerData?: unknown;
  readonly execArgv?: readonly string[];
  /** The error of callers that find too many calls before theirs. */
  readonly busy: () => PennonError;
  /** Returns the error of a reply. */
  readonly errorFrom?: (error: unknown) => unknown;
  /** Called once if the thread ends before `close`. Returns the error of the calls that have no reply. */
  readonly onEnd?: (reason: unknown) => unknown;
};

export type Thread = {
  isAlive(): boolean;
  /** Resolves to the result. The buffers in `transfer` are moved, not copied. */
  call(name: string, input: unknown, transfer?: readonly ArrayBuffer[]): Promise<unknown>;
  close(): Promise<void>;
};

/** More calls than these, or bytes of them, are refused. */
const MAX_PENDING = 1_000;
const MAX_PENDING_BYTES = 64 * 1_048_576;

type Pending = PromiseWithResolvers<unknown> & { readonly bytes: number };

const TASKS = '/proc/self/task';
/**
 * What is added to the nice value of a thread, see nice(2): if it competes with the main thread for a
 * core, it gets a quarter.
 */
const LOWER_PRIORITY_BY = 5;
const LOWEST_PRIORITY = 19;
/** Linux keeps so many characters of the name of a thread. */
const NAME_LENGTH = 15;

/**
 * Makes Linux prefer the main thread, which evaluates flags, to the threads with this name. Each thread has
 * a priority there. Does nothing on other systems, and in releases of Node.js whose threads have no names.
 */
const lowerPriority = async (name: string): Promise<void> => {
  const priority = Math.min(getPriority() + LOWER_PRIORITY_BY, LOWEST_PRIORITY);
  for (const id of await readdir(TASKS)) {
    const found = await readFile(`${TASKS}/${id}/comm`, 'utf8');
    if (found.trim() === name.slice(0, NAME_LENGTH)) setPriority(Number(id), priority);
  }
};

/**
 * Starts a thread that replies to numbered calls. It does not keep the process alive, and has a lower
 * priority than the main thread.
 */
export const startThread = ({
  main,
  name,
  workerData,
  execArgv = [],
  busy,
  errorFrom = error => error,
  onEnd = reason => reason,
}: ThreadOptions): Thread => {
  // Without the flags of the process, because preloaded modules must not run a second time.
  const worker = new Worker(main, { name, workerData, execArgv: [...execArgv] });
  worker.unref();
  const pending = new Map<number, Pending>();
  let isAlive = true;
  let isClosed = false;
  let last = 0;
  let bytes = 0;
  const end = (reason: unknown): void => {
    if (!isAlive) return;
    isAlive = false;
    const error = isClosed ? reason : onEnd(reason);
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  const settle = (reply: ThreadReply): void => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    bytes -= waiting?.bytes ?? 0;
    if ('error' in reply) waiting?.reject(errorFrom(reply.error));
    else waiting?.resolve(reply.result);
  };
  worker.on('message', (message: ThreadReply | object) => {
    // With --watch, Node sends the names of loaded modules over the same channel.
    if ('id' in message) settle(message);
  });
  worker.once('online', () => void lowerPriority(name).catch(() => undefined));
  worker.on('error', end);
  worker.on('exit', () => end(new Error(`the thread ${name} has ended`)));
  return {
    isAlive: () => isAlive,
    async call(task, input, transfer = []) {
      const size = transfer.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (pending.size >= MAX_PENDING || bytes + size > MAX_PENDING_BYTES) throw busy();
      last += 1;
      bytes += size;
      const reply = { ...Promise.withResolvers<unknown>(), bytes: size };
      pending.set(last, reply);
      const request: ThreadCall = { id: last, name: task, input };
      worker.postMessage(request, [...transfer]);
      return reply.promise;
    },
    async close() {
      isClosed = true;
      await worker.terminate();
    },
  };
};
