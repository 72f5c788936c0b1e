import { Worker } from 'node:worker_threads';

import { PennonError } from '../../errors.ts';
import type { TaskName, TaskReply, TaskRequest, Tasks } from './tasks.ts';

/** Computes statistics in a thread, which starts with the first task. */
export type Analyst = {
  compute<Name extends TaskName>(
    task: Name,
    input: Parameters<Tasks[Name]>[0],
  ): Promise<ReturnType<Tasks[Name]>>;
  close(): Promise<void>;
};

/** More than these waiting are refused. */
const MAX_PENDING = 1_000;

/** The sources run as TypeScript, the build as JavaScript. */
const THREAD_MAIN = import.meta.url.endsWith('.ts') ? './thread.ts' : './analysis-thread.js';

type Pending = PromiseWithResolvers<unknown>;

export const createAnalyst = (): Analyst => {
  let thread: Thread | undefined;
  return {
    async compute(task, input) {
      thread = thread?.isAlive() === true ? thread : startThread();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread replies with the result of the task
      return (await thread.send(task, input)) as never;
    },
    async close() {
      await thread?.close();
    },
  };
};

type Thread = ReturnType<typeof startThread>;

const startThread = () => {
  const worker = new Worker(new URL(THREAD_MAIN, import.meta.url), {
    name: 'pennon-statistics',
    // Without the flags of the process, because preloaded modules must not run a second time.
    execArgv: [],
  });
  worker.unref();
  const pending = new Map<number, Pending>();
  let isAlive = true;
  let last = 0;
  const fail = (error: unknown) => {
    isAlive = false;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  worker.on('message', (message: TaskReply | object) => {
    // With --watch, Node sends the names of loaded modules over the same channel.
    if ('id' in message) settle(pending, message);
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('the thread of the statistics has ended')));
  return {
    isAlive: () => isAlive,
    send(task: TaskName, input: unknown): Promise<unknown> {
      if (pending.size >= MAX_PENDING) throw busy();
      last += 1;
      const reply = Promise.withResolvers<unknown>();
      pending.set(last, reply);
      const request: TaskRequest = { id: last, task, input };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(request);
      return reply.promise;
    },
    close: () => worker.terminate(),
  };
};

const settle = (pending: Map<number, Pending>, reply: TaskReply): void => {
  const waiting = pending.get(reply.id);
  pending.delete(reply.id);
  if ('error' in reply) waiting?.reject(reply.error);
  else waiting?.resolve(reply.result);
};

const busy = (): PennonError =>
  new PennonError('SERVICE_UNAVAILABLE', 'too many results are being computed: try again', {
    retryAfterSeconds: 1,
  });
