import { parentPort, workerData, type MessagePort } from 'node:worker_threads';

import { openEventStore, type EventsLocation } from '../store/events-location.ts';
import type { ThreadCall, ThreadReply } from '../thread-calls.ts';
import { CLOSE, createEventsEngine } from './engine.ts';
import { toSentError } from './thread-errors.ts';

/**
 * The thread that owns the events: it checks what is sent, folds it, and has their database or their connections to
 * Redis. All of that takes milliseconds, for which the event loop that evaluates flags must not wait.
 */
const serve = async (port: MessagePort, location: EventsLocation): Promise<void> => {
  const opened = await openEventStore(location);
  const engine = createEventsEngine(opened.store);
  const perform = (name: string, input: unknown): Promise<unknown> => {
    if (name === CLOSE) return opened.close();
    if (!Object.hasOwn(engine, name)) throw new Error(`there is no operation ${name}`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the host sends each operation its input
    return (Reflect.get(engine, name) as (input: unknown) => Promise<unknown>)(input);
  };
  const replyTo = async ({ id, name, input }: ThreadCall): Promise<ThreadReply> => {
    try {
      return { id, result: await perform(name, input) };
    } catch (error) {
      return { id, error: toSentError(error) };
    }
  };
  // Calls begin in their order.
  port.on('message', (call: ThreadCall) => {
    void replyTo(call).then(reply => port.postMessage(reply));
  });
};

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the host passes the location
if (parentPort !== null) await serve(parentPort, workerData as EventsLocation);
