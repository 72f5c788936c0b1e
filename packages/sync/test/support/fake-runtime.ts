import type { Runtime } from '../../src/index.ts';

type Timer = { readonly due: number; readonly callback: () => void };

/** One request that a follower has sent, and what a test makes of it. */
export type Call = {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | undefined;
  readonly aborted: () => boolean;
  /** Answers at once and whole. */
  answer(
    status: number,
    body?: string | Uint8Array<ArrayBuffer>,
    headers?: Record<string, string>,
  ): Promise<void>;
  /** Begins a stream of server-sent events. */
  open(): Promise<FakeStream>;
  /** The connection fails before there is an answer. */
  fail(message: string): Promise<void>;
};

export type FakeStream = {
  send(event: string, data: unknown, id?: string): Promise<void>;
  /** Text as it is, such as half a frame. */
  write(text: string): Promise<void>;
  end(): Promise<void>;
  /** The connection breaks. */
  cut(): Promise<void>;
};

export type FakeWorld = Runtime & {
  /** Requests not yet taken by `next`. */
  readonly waiting: readonly Call[];
  /** The next request, which must have been sent by now. */
  next(): Promise<Call>;
  /** Lets time pass; timers that fall due fire in order, and what they start is done. */
  advance(ms: number): Promise<void>;
  readonly timers: () => number;
  /** What `random` answers from now on. */
  chance: number;
};

/** What is on its way arrives: promises and streams, which take a few turns and no time. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

export const frame = (event: string, data: unknown, id?: string): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

const encoder = new TextEncoder();

const openStream = (resolve: (response: Response) => void, signal: AbortSignal): FakeStream => {
  let over = false;
  let sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      sink = controller;
      signal.addEventListener('abort', () => {
        if (!over) controller.error(signal.reason);
        over = true;
      });
    },
  });
  resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  const write = (text: string) => {
    if (!over) sink?.enqueue(encoder.encode(text));
    return settle();
  };
  return {
    write,
    send: (event, data, id) => write(frame(event, data, id)),
    end() {
      over = true;
      sink?.close();
      return settle();
    },
    cut() {
      if (!over) sink?.error(new TypeError('terminated'));
      over = true;
      return settle();
    },
  };
};

const createCall = (
  url: string,
  init: RequestInit,
  resolve: (response: Response) => void,
  reject: (error: unknown) => void,
): Call => {
  const signal = init.signal ?? new AbortController().signal;
  signal.addEventListener('abort', () => reject(signal.reason));
  return {
    url,
    method: init.method ?? 'GET',
    headers: new Headers(init.headers),
    body: typeof init.body === 'string' ? init.body : undefined,
    aborted: () => signal.aborted,
    answer(status, body, headers) {
      resolve(new Response(body ?? null, { status, headers: headers ?? {} }));
      return settle();
    },
    async open() {
      const stream = openStream(resolve, signal);
      await settle();
      return stream;
    },
    fail(message) {
      reject(new TypeError('fetch failed', { cause: new Error(message) }));
      return settle();
    },
  };
};

/** A world in which time stands still and the network is a test's own. */
export const createFakeWorld = (): FakeWorld => {
  let time = Date.parse('2026-01-31T12:00:00Z');
  const timers = new Set<Timer>();
  const waiting: Call[] = [];
  const nextDue = (until: number) =>
    [...timers].filter(({ due }) => due <= until).toSorted((a, b) => a.due - b.due)[0];

  const world: FakeWorld = {
    waiting,
    chance: 0.5,
    fetch: (url, init) =>
      new Promise((resolve, reject) => {
        const address = url instanceof Request ? url.url : url.toString();
        waiting.push(createCall(address, init ?? {}, resolve, reject));
      }),
    now: () => time,
    setTimer(ms, callback) {
      const timer = { due: time + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    random: () => world.chance,
    timers: () => timers.size,
    async next() {
      await settle();
      const call = waiting.shift();
      if (call === undefined) throw new Error('nothing was asked');
      return call;
    },
    async advance(ms) {
      const until = time + ms;
      await settle();
      for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
        time = timer.due;
        timers.delete(timer);
        timer.callback();
        await settle();
      }
      time = until;
    },
  };
  return world;
};
