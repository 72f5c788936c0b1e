import { parentPort } from 'node:worker_threads';

import type { ThreadCall, ThreadReply } from '../../thread-calls.ts';
import { TASKS } from './tasks.ts';

const taskOf = (name: string): ((input: unknown) => unknown) => {
  if (!Object.hasOwn(TASKS, name)) throw new Error(`there is no task ${name}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `Analyst` sends each task its input
  return Reflect.get(TASKS, name) as (input: unknown) => unknown;
};

/**
 * The thread that computes statistics. Their library takes 140 ms to load and up to milliseconds a comparison, and the
 * event loop that evaluates flags must not wait.
 */
const replyTo = ({ id, name, input }: ThreadCall): ThreadReply => {
  try {
    return { id, result: taskOf(name)(input) };
  } catch (error) {
    return { id, error };
  }
};

const port = parentPort;
port?.on('message', (call: ThreadCall) => port.postMessage(replyTo(call)));
