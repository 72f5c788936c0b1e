import type { Runtime } from '@pennon/sync';

import {
  createFakeRuntime,
  frame,
  settle,
} from '../../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../../packages/sync/test/support/fake-runtime.ts';
import { CUT_OFF_MS, isCutOff } from '../../../../packages/sync/test/support/statuses.ts';
import type { ServerBehavior } from '../../../../packages/sync/test/support/statuses.ts';

/** A server that responds to every request for values by itself, in a runtime without network. */
export const startFakeServer = (values: object) => {
  const fake = createFakeRuntime();
  const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  let behavior: ServerBehavior = 'normal';

  const openStream = (signal: AbortSignal): Response => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        streams.add(controller);
        controller.enqueue(new TextEncoder().encode(frame('values', values)));
        signal.addEventListener('abort', () => {
          if (streams.delete(controller)) controller.error(signal.reason);
        });
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };

  const fetch: Runtime['fetch'] = async (input, init = {}) => {
    const url = input instanceof Request ? input.url : input.toString();
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    if (behavior === 'refused') throw new TypeError('fetch failed');
    if (behavior === 'silent')
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    if (typeof behavior === 'number')
      return Response.json(
        { error: { code: 'UNAUTHORIZED', message: 'rejected' } },
        { status: behavior },
      );
    const response = url.endsWith('/stream') ? openStream(signal) : Response.json(values);
    if (isCutOff(behavior)) response.headers.set('pennon-source-age-ms', `${CUT_OFF_MS}`);
    return response;
  };

  const runtime: FakeRuntime & { random: () => number } = {
    ...fake,
    fetch,
    random: () => fake.randomValue,
  };
  return {
    runtime,
    /** Changes the behavior for new requests. Open streams stay open. */
    setBehavior(next: ServerBehavior): void {
      behavior = next;
    },
    /** Sends an event to all streams. */
    send(event: string, data: object): Promise<void> {
      for (const controller of streams)
        controller.enqueue(new TextEncoder().encode(frame(event, data)));
      return settle();
    },
    /** Changes the behavior, and breaks all streams. */
    async behave(next: ServerBehavior): Promise<void> {
      behavior = next;
      for (const controller of streams) controller.error(new TypeError('terminated'));
      streams.clear();
      await settle();
    },
  };
};
