import { parentPort } from 'node:worker_threads';

import { TASKS, type TaskReply, type TaskRequest } from './tasks.ts';

/**
 * The thread that computes statistics. Their library takes 140 ms to load and up to milliseconds a comparison, and the
 * event loop that evaluates flags must not wait.
 */
const reply = ({ id, task, input }: TaskRequest): TaskReply => {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `Analyst` sends each task its input
    const compute = TASKS[task] as (input: unknown) => unknown;
    return { id, result: compute(input) };
  } catch (error) {
    return { id, error };
  }
};

const port = parentPort;
port?.on('message', (request: TaskRequest) => port.postMessage(reply(request)));
