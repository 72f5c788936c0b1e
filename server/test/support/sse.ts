import { createParser } from 'eventsource-parser';

export type SseEvent = {
  readonly event: string | undefined;
  readonly id: string | undefined;
  // Each test asserts the shape that it expects.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
};

export type Sse = {
  readonly response: Response;
  /** The next event; undefined once the stream has ended. */
  next(): Promise<SseEvent | undefined>;
  close(): void;
};

/** Opens a stream of server-sent events. */
export const openSse = async (
  url: string,
  { key, body, headers = {} }: { key: string; body?: unknown; headers?: Record<string, string> },
): Promise<Sse> => {
  const closing = new AbortController();
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: closing.signal,
  });
  const events: SseEvent[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }) => events.push({ event, id, data: JSON.parse(data) }),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();

  const next = async (): Promise<SseEvent | undefined> => {
    for (;;) {
      const event = events.shift();
      if (event !== undefined) return event;
      const chunk = await reader?.read();
      if (chunk === undefined || chunk.done) return undefined;
      parser.feed(chunk.value);
    }
  };
  return { response, next, close: () => closing.abort() };
};
