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

/**
 * Whoever waits for an answer: the first in line is the one that the next answer is for. (`resolve` is
 * a method because the line holds those who wait for different outputs.)
 */
type Waiting = { resolve(output: Output<OperationName>): void; reject(error: Error): void };

/** Opens the database of `directory` in a thread; `onEnd` is called once that is over, whatever ended it. */
export const startThread = async (directory: string, onEnd: () => void): Promise<Thread> => {
  // None of the process's own flags: a preloaded module is not meant to run here a second time.
  const url = new URL('./worker.ts', import.meta.url);
  const worker = new Worker(url, { name: 'pennon-store', workerData: directory, execArgv: [] });
  const waiting: Waiting[] = [];
  let refusal: StoreError | undefined;

  const answered = <Name extends OperationName>(): Promise<Output<Name>> =>
    new Promise((resolve, reject) => waiting.push({ resolve, reject }));

  const call: Thread['call'] = (name, input) => {
    if (refusal !== undefined) return Promise.reject(refusal);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage({ name, input });
    return answered();
  };

  const end = (error: StoreError) => {
    refusal ??= error;
    for (const each of waiting.splice(0)) each.reject(error);
    onEnd();
  };

  const shut = async () => {
    if (refusal !== undefined) return;
    const closed = call('close', undefined);
    refusal = unavailable('the store is closed');
    try {
      await closed;
    } finally {
      await worker.terminate();
    }
  };
  let closing: Promise<void> | undefined;

  worker.on('message', (answer: Answer) => {
    const first = waiting.shift();
    if (answer.ok) first?.resolve(answer.output);
    else first?.reject(errorOf(answer));
  });
  worker.on('error', error => end(unavailable(`the store failed: ${String(error)}`)));
  worker.on('exit', () => end(unavailable('the store is closed')));

  await answered();
  return { call, close: () => (closing ??= shut()) };
};

const unavailable = (message: string) => new StoreError('unavailable', message);

const errorOf = ({ code, message }: Refusal): Error =>
  code === undefined ? new Error(message) : new StoreError(code, message);
