import { PennonError } from '../../errors.ts';
import { startThread, type Thread } from '../../thread-calls.ts';
import type { TaskName, Tasks } from './tasks.ts';

/** Computes statistics in a thread, which starts with the first task. */
export type Analyst = {
  compute<Name extends TaskName>(
    task: Name,
    input: Parameters<Tasks[Name]>[0],
  ): Promise<ReturnType<Tasks[Name]>>;
  close(): Promise<void>;
};

/** The sources run as TypeScript, the build as JavaScript. */
const THREAD_MAIN = import.meta.url.endsWith('.ts') ? './thread.ts' : './analysis-thread.js';

export const createAnalyst = (): Analyst => {
  let thread: Thread | undefined;
  const start = (): Thread =>
    startThread({
      main: new URL(THREAD_MAIN, import.meta.url),
      name: 'pennon-statistics',
      busy,
    });
  return {
    async compute(task, input) {
      thread = thread?.isAlive() === true ? thread : start();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread replies with the result of the task
      return (await thread.call(task, input)) as never;
    },
    async close() {
      await thread?.close();
    },
  };
};

const busy = (): PennonError =>
  new PennonError('SERVICE_UNAVAILABLE', 'too many results are being computed: try again', {
    retryAfterSeconds: 1,
  });
