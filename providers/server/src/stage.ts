import { GeneralError } from '@openfeature/server-sdk';

/** What happens after the start; of the start itself, the promise tells. */
export type News = {
  readonly changed: (flagsChanged: string[]) => void;
  readonly ready: () => void;
  /** Flags are there, and may be out of date. */
  readonly stale: (message: string) => void;
  /** No flags are there. */
  readonly error: (message: string) => void;
};

export type State = 'ready' | 'stale' | 'error';

/** How a provider stands, and what it has said of that: nothing twice, and nothing after its end. */
export type Stage = {
  /** Resolves at `begin`; rejects at `fail`, or where it is closed before. */
  readonly started: Promise<void>;
  readonly isStarting: () => boolean;
  begin(state: State): void;
  fail(error: Error): void;
  enter(state: State): void;
  changed(flagsChanged: string[]): void;
  close(): void;
};

/** A promise and what settles it, once. */
const createGate = () => {
  let open: () => void = () => undefined;
  let refuse: (error: Error) => void = () => undefined;
  const passed = new Promise<void>((resolve, reject) => {
    open = resolve;
    refuse = reject;
  });
  return { passed, open, refuse };
};

/** `why` tells the reason of the state of the moment. */
export const createStage = (news: News, why: () => string): Stage => {
  const gate = createGate();
  let state: State | undefined;
  let closed = false;

  const tell = (now: State) => {
    if (closed || state !== now) return;
    if (now === 'ready') news.ready();
    else news[now](why());
  };

  return {
    started: gate.passed,
    isStarting: () => state === undefined && !closed,
    begin(first) {
      state = first;
      gate.open();
      // The SDK says READY when it learns that the gate is open; what is said before does not last.
      if (first === 'stale') setImmediate(() => tell('stale'));
    },
    fail(error) {
      state = 'error';
      gate.refuse(error);
    },
    enter(next) {
      if (state === next) return;
      state = next;
      tell(next);
    },
    changed(flagsChanged) {
      if (state !== undefined && !closed) news.changed(flagsChanged);
    },
    close() {
      closed = true;
      gate.refuse(new GeneralError('the provider was closed before it had started'));
    },
  };
};
