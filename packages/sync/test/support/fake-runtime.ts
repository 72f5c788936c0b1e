import type { Runtime } from '../../src/index.ts';

type Timer = { readonly due: number; readonly callback: () => void };

/** A request that was sent to the fake network. The test decides about its response. */
export type FakeRequest = {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | undefined;
  readonly isAborted: () => boolean;
  /** Sends the complete response. */
  respond(
    status: number,
    body?: string | Uint8Array<ArrayBuffer>,
    headers?: Record<string, string>,
  ): Promise<void>;
  /** Starts a response of server-sent events. */
  openStream(headers?: Record<string, string>): Promise<FakeStream>;
  /** Fails the connection before any response. */
  fail(message: string): Promise<void>;
};

export type FakeStream = {
  send(event: string, data: unknown, id?: string): Promise<void>;
  /** Sends raw text, such as half an event. */
  write(text: string): Promise<void>;
  end(): Promise<void>;
  /** Breaks the connection. */
  cut(): Promise<void>;
};

export type FakeRuntime = Runtime & {
  /** The requests that were sent, but not yet taken by `nextRequest`. */
  readonly pending: readonly FakeRequest[];
  /** Takes the oldest pending request. Throws if there is none. */
  nextRequest(): Promise<FakeRequest>;
  /** Advances the clock, fires due timers in order and waits for what they start. */
  advance(ms: number): Promise<void>;
  /** Sets the time of day forward, or back if `ms` is negative. No time passes. */
  setWallTime(ms: number): void;
  /** Advances the clock without firing timers, as if the process did not run. */
  freeze(ms: number): void;
  readonly timerCount: () => number;
  /** The result of `random`. */
  randomValue: number;
};

/** Waits until pending promises and streams have settled, without advancing the clock. */
export const settle = async (): Promise<void> => {
  for (let round = 0; round < 8; round += 1) await new Promise(resolve => setImmediate(resolve));
};

/** Returns the text of a server-sent event. */
export const frame = (event: string, data: unknown, id?: string): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

const encoder = new TextEncoder();

const openStream = (
  resolve: (response: Response) => void,
  signal: AbortSignal,
  headers: Record<string, string>,
): FakeStream => {
  let isOver = false;
  let sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      sink = controller;
      signal.addEventListener('abort', () => {
        if (!isOver) controller.error(signal.reason);
        isOver = true;
      });
    },
  });
  resolve(new Response(body, { headers: { 'content-type': 'text/event-stream', ...headers } }));
  const write = (text: string) => {
    if (!isOver) sink?.enqueue(encoder.encode(text));
    return settle();
  };
  return {
    write,
    send: (event, data, id) => write(frame(event, data, id)),
    end() {
      isOver = true;
      sink?.close();
      return settle();
    },
    cut() {
      if (!isOver) sink?.error(new TypeError('terminated'));
      isOver = true;
      return settle();
    },
  };
};

const createRequest = (
  url: string,
  init: RequestInit,
  resolve: (response: Response) => void,
  reject: (error: unknown) => void,
): FakeRequest => {
  const signal = init.signal ?? new AbortController().signal;
  signal.addEventListener('abort', () => reject(signal.reason));
  return {
    url,
    method: init.method ?? 'GET',
    headers: new Headers(init.headers),
    body: typeof init.body === 'string' ? init.body : undefined,
    isAborted: () => signal.aborted,
    respond(status, body, headers) {
      resolve(new Response(body ?? null, { status, headers: headers ?? {} }));
      return settle();
    },
    async openStream(headers = {}) {
      const stream = openStream(resolve, signal, headers);
      await settle();
      return stream;
    },
    fail(message) {
      reject(new TypeError('fetch failed', { cause: new Error(message) }));
      return settle();
    },
  };
};

/** A runtime with a clock and a network that the test controls. */
export const createFakeRuntime = (): FakeRuntime => {
  // Unlike 1970, so a confusion of the two clocks is noticed.
  let time = 1_000_000;
  let epoch = Date.parse('2026-01-31T12:00:00Z') - time;
  const timers = new Set<Timer>();
  const pending: FakeRequest[] = [];
  const nextDue = (until: number) =>
    [...timers].filter(({ due }) => due <= until).toSorted((a, b) => a.due - b.due)[0];

  const runtime: FakeRuntime = {
    pending,
    randomValue: 0.5,
    fetch: (url, init) =>
      new Promise((resolve, reject) => {
        const address = url instanceof Request ? url.url : url.toString();
        pending.push(createRequest(address, init ?? {}, resolve, reject));
      }),
    now: () => epoch + time,
    monotonic: () => time,
    freeze(ms) {
      time += ms;
    },
    setWallTime(ms) {
      epoch += ms;
    },
    setTimer(ms, callback) {
      const timer = { due: time + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    random: () => runtime.randomValue,
    timerCount: () => timers.size,
    async nextRequest() {
      await settle();
      const request = pending.shift();
      if (request === undefined) throw new Error('no request was sent');
      return request;
    },
    async advance(ms) {
      const until = time + ms;
      await settle();
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        time = Math.max(time, timer.due);
        timers.delete(timer);
        timer.callback();
        await settle();
      }
      time = until;
    },
  };
  return runtime;
};
