import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { StoreError } from '../store.ts';
import type { Answer, Input, OperationName, Output, Refusal } from './protocol.ts';

/** The database's own thread, as promises. */
export type Thread = {
  /** Asks; answers come in the order of asking. */
  readonly call: <Name extends OperationName>(
    name: Name,
    input: Input<Name>,
  ) => Promise<Output<Name>>;
  /** Ends the thread once everything asked before is answered. */
  readonly close: () => Promise<void>;
};

/** Whoever waits for an answer: the first in line is the one that the next answer is for. */
type Waiting = { resolve(output: Output<OperationName>): void; reject(error: Error): void };

/** Opens the database of `directory` in a thread. `onEnd` is called once, however the thread ends. */
export const startThread = async (directory: string, onEnd: () => void): Promise<Thread> => {
  // None of the process's own flags: a preloaded module is not meant to run here a second time.
  const url = new URL('./worker.ts', import.meta.url);
  const worker = new Worker(url, { name: 'pennon-store', workerData: directory, execArgv: [] });
  const waiting: Waiting[] = [];
  let ended: StoreError | undefined;

  const answered = <Name extends OperationName>(): Promise<Output<Name>> =>
    new Promise((resolve, reject) => waiting.push({ resolve, reject }));

  const end = (error: StoreError) => {
    if (ended !== undefined) return;
    ended = error;
    for (const each of waiting.splice(0)) each.reject(error);
    onEnd();
  };

  worker.on('message', (answer: Answer) => {
    const first = waiting.shift();
    if (answer.ok) first?.resolve(answer.output);
    else first?.reject(errorOf(answer));
  });
  worker.on('error', error =>
    end(new StoreError('unavailable', `the store's thread failed: ${String(error)}`)),
  );
  worker.on('exit', () => end(new StoreError('unavailable', 'the store is closed')));

  const call: Thread['call'] = (name, input) => {
    if (ended !== undefined) return Promise.reject(ended);
    worker.postMessage({ name, input });
    return answered();
  };

  let closing: Promise<void> | undefined;
  const close = async () => {
    if (ended !== undefined) return;
    const exit = once(worker, 'exit');
    await call('close', undefined);
    await exit;
  };

  await answered();
  return { call, close: () => (closing ??= close()) };
};

const errorOf = ({ trouble, message }: Refusal): Error =>
  trouble === undefined ? new Error(message) : new StoreError(trouble, message);
