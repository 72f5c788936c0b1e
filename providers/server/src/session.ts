import { GeneralError, ProviderFatalError } from '@openfeature/server-sdk';
import { isRefusal } from '@pennon/follow';
import type { World } from '@pennon/follow';

import { unavailable } from './answer.ts';
import type { Answer } from './answer.ts';
import { plainContext } from './context.ts';
import type { Freshness } from './feed.ts';
import { openFlags } from './flags.ts';
import type { Flags } from './flags.ts';
import { isOffline } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
import { createRemote } from './remote.ts';
import type { Remote } from './remote.ts';
import type { View } from './view.ts';

/** What happens after the start; of the start itself, the promise tells. */
export type News = {
  readonly changed: (flagsChanged: string[]) => void;
  readonly ready: () => void;
  /** Flags are there, and may be out of date. */
  readonly stale: (message: string) => void;
  /** No flags are there. */
  readonly error: (message: string) => void;
};

/** One life of a provider, from `initialize` to `onClose`. */
export type Session = {
  /** Resolves when there are flags to decide with, however old; rejects where there are none in time. */
  readonly started: Promise<void>;
  readonly view: () => View | undefined;
  readonly freshness: () => Freshness;
  answer(flagKey: string, context: unknown): Answer | Promise<Answer>;
  close(): Promise<void>;
};

type State = 'starting' | 'ready' | 'stale' | 'error';

const INIT_TIMEOUT_MS = 2_000;
const CACHE_TTL_MS = 60_000;
const CACHE_ENTRIES = 10_000;
const REQUEST_TIMEOUT_MS = 2_000;

export const NO_FLAGS = 'there are no flags: the provider is not initialized, or found none so far';

const openRemote = (
  options: PennonProviderOptions,
  world: World,
  flags: Flags,
  onTrouble: () => void,
): Remote | undefined => {
  if (isOffline(options) || options.mode !== 'remote') return undefined;
  const { url, key, environment } = options;
  const {
    cacheTtlMs = CACHE_TTL_MS,
    cacheEntries = CACHE_ENTRIES,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
  } = options;
  const revision = () => flags.view()?.revision;
  const bounds = { cacheTtlMs, cacheEntries, requestTimeoutMs };
  return createRemote({ url, key, environment, ...bounds, revision, onTrouble }, world);
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

export const openSession = (options: PennonProviderOptions, world: World, news: News): Session => {
  const gate = createGate();
  let state: State = 'starting';
  let closed = false;
  /** Remote: the server answers this key, though it may not follow the flag set. */
  let mayAsk = false;

  const flags = openFlags(options, world, {
    onChange(flagsChanged) {
      remote?.drop(flagsChanged);
      if (state !== 'starting' && !closed) news.changed(flagsChanged);
    },
    onStanding: () => look(),
  });
  const remote = openRemote(options, world, flags, () => look());

  const why = (): string =>
    remote?.trouble()?.message ??
    flags.freshness().lastError?.message ??
    'the server has not answered';

  const stateNow = (): Exclude<State, 'starting'> => {
    const standing = flags.standing();
    if (standing === 'current') return 'ready';
    if (standing === 'refused' && mayAsk && remote?.trouble() === undefined) return 'ready';
    return flags.view() === undefined ? 'error' : 'stale';
  };

  const tell = () => {
    if (closed) return;
    if (state === 'ready') news.ready();
    else if (state === 'stale') news.stale(why());
    else news.error(why());
  };

  const begin = () => {
    state = stateNow();
    gate.open();
    // The SDK says READY when it learns that the gate is open; only then does STALE last.
    if (state === 'stale') setImmediate(() => state === 'stale' && tell());
  };

  const fail = (error: Error) => {
    state = 'error';
    gate.refuse(error);
  };

  const refuse = () => fail(new ProviderFatalError(`the server refuses the key: ${why()}`));

  /** With what there is. */
  const giveUpWaiting = () => {
    const { lastError } = flags.freshness();
    if (flags.standing() === 'refused' || (lastError && isRefusal(lastError))) refuse();
    else if (flags.view() !== undefined) begin();
    else fail(new GeneralError(`no flags could be had: ${why()}`));
  };

  const start = () => {
    const standing = flags.standing();
    if (stateNow() === 'ready') begin();
    else if (standing === 'unusable') giveUpWaiting();
    else if (standing === 'refused' && remote === undefined) refuse();
  };

  /** A key that may evaluate need not be one that may read the flag set. */
  const probe = async () => {
    const trouble = await remote?.probe();
    mayAsk = trouble === undefined;
    if (state === 'starting' && trouble && isRefusal(trouble)) refuse();
    else if (mayAsk) look();
  };

  const look = () => {
    if (closed) return;
    if (remote && !mayAsk && flags.standing() === 'refused') void probe();
    if (state === 'starting') return start();
    const next = stateNow();
    if (next === state) return;
    state = next;
    tell();
  };

  const cancel = world.after(options.initTimeoutMs ?? INIT_TIMEOUT_MS, () => {
    if (state === 'starting') giveUpWaiting();
  });
  gate.passed.then(cancel, cancel);

  return {
    started: gate.passed,
    view: flags.view,
    freshness: flags.freshness,
    answer(flagKey, context) {
      const plain = plainContext(context);
      const here = () => flags.view()?.evaluate(flagKey, plain);
      if (remote) return remote.ask(flagKey, plain, here);
      return here() ?? unavailable(flagKey, 'PROVIDER_NOT_READY', NO_FLAGS);
    },
    async close() {
      closed = true;
      gate.refuse(new GeneralError('the provider was closed before it had started'));
      remote?.close();
      await flags.close();
    },
  };
};
