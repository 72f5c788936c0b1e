import { Worker } from 'node:worker_threads';

import { StoreError } from '../store.ts';
import type { Input, OperationName, Output, ThreadError, ThreadReply } from './protocol.ts';

/** The thread that owns the database. */
export type DatabaseThread = {
  /** Runs an operation. Operations run one at a time, in the order of the calls. */
  readonly call: <Name extends OperationName>(
    name: Name,
    input: Input<Name>,
  ) => Promise<Output<Name>>;
  /** Ends the thread once all earlier calls are complete. */
  readonly close: () => Promise<void>;
};

/** Opens the database of `directory` in a thread. `onEnd` is called once the thread has ended. */
export const startDatabaseThread = async (
  directory: string,
  onEnd: () => void,
): Promise<DatabaseThread> => {
  const worker = startThread(directory);
  const channel = openChannel(worker, onEnd);

  const closeThread = async () => {
    if (channel.isClosed()) return;
    const closed = channel.call('close', undefined);
    channel.close(unavailable('the store is closed'));
    try {
      await closed;
    } finally {
      await worker.terminate();
    }
  };
  let closing: Promise<void> | undefined;

  // The first reply is an error when the database could not be opened.
  await channel.nextReply();
  return { call: channel.call, close: () => (closing ??= closeThread()) };
};

/** `resolve` is declared as a method, because only then calls with different outputs fit into one list. */
type PendingCall = { resolve(output: Output<OperationName>): void; reject(error: Error): void };

/** Sends operations to the thread and assigns its replies, which come in the same order. */
const openChannel = (worker: Worker, onEnd: () => void) => {
  const pending: PendingCall[] = [];
  let closeError: StoreError | undefined;

  const nextReply = <Name extends OperationName>(): Promise<Output<Name>> =>
    new Promise((resolve, reject) => pending.push({ resolve, reject }));

  const call: DatabaseThread['call'] = (name, input) => {
    if (closeError !== undefined) return Promise.reject(closeError);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage({ name, input });
    return nextReply();
  };

  const close = (error: StoreError) => {
    closeError ??= error;
  };

  const end = (error: StoreError) => {
    close(error);
    for (const each of pending.splice(0)) each.reject(error);
    onEnd();
  };
  worker.on('message', (reply: ThreadReply | object) => {
    // With --watch, Node sends the names of loaded modules over the same channel.
    if ('ok' in reply) settle(pending.shift(), reply);
  });
  worker.on('error', error => end(unavailable(`the store failed: ${String(error)}`)));
  worker.on('exit', () => end(unavailable('the store is closed')));

  return {
    nextReply,
    call,
    isClosed: () => closeError !== undefined,
    /** Rejects further calls with this error. Earlier ones still receive their replies. */
    close,
  };
};

/** The sources run as TypeScript, the build as JavaScript. */
const THREAD_MAIN = import.meta.url.endsWith('.ts') ? './thread-main.ts' : './thread-main.js';

const startThread = (directory: string): Worker =>
  new Worker(new URL(THREAD_MAIN, import.meta.url), {
    name: 'pennon-store',
    workerData: directory,
    // Without the flags of the process, because preloaded modules must not run a second time. Node 22
    // warns that SQLite is experimental.
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });

const settle = (call: PendingCall | undefined, reply: ThreadReply): void => {
  if (reply.ok) call?.resolve(reply.output);
  else call?.reject(toError(reply));
};

const unavailable = (message: string) => new StoreError('unavailable', message);

const toError = ({ code, message }: ThreadError): Error =>
  code === undefined ? new Error(message) : new StoreError(code, message);
