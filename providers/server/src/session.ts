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
import { createStage } from './stage.ts';
import type { News, State } from './stage.ts';
import type { View } from './view.ts';

/** One life of a provider, from `initialize` to `onClose`. */
export type Session = {
  /** Resolves when there are flags to decide with, however old; rejects where there are none in time. */
  readonly started: Promise<void>;
  readonly view: () => View | undefined;
  readonly freshness: () => Freshness;
  answer(flagKey: string, context: unknown): Answer | Promise<Answer>;
  close(): Promise<void>;
};

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

export const openSession = (options: PennonProviderOptions, world: World, news: News): Session => {
  /** Remote: the server answers this key, though it may not follow the flag set. */
  let mayAsk = false;

  const flags = openFlags(options, world, {
    onChange(flagsChanged) {
      remote?.drop(flagsChanged);
      stage.changed(flagsChanged);
    },
    onStanding: () => look(),
  });
  const remote = openRemote(options, world, flags, () => look());
  const why = (): string =>
    remote?.trouble()?.message ??
    flags.freshness().lastError?.message ??
    'the server has not answered';
  const stage = createStage(news, why);

  const stateNow = (): State => {
    const standing = flags.standing();
    if (standing === 'current') return 'ready';
    if (standing === 'refused' && mayAsk && remote?.trouble() === undefined) return 'ready';
    return flags.view() === undefined ? 'error' : 'stale';
  };

  const refuse = () => stage.fail(new ProviderFatalError(`the server refuses the key: ${why()}`));

  /** Starts with what there is. */
  const stopWaiting = () => {
    const status = flags.freshness().lastError?.status;
    // 401 is for every route; 403 may be for those of the flag set alone, which the probe finds out.
    if (status === 401 || (status === 403 && remote === undefined)) refuse();
    else if (flags.view() !== undefined) stage.begin(stateNow());
    else stage.fail(new GeneralError(`no flags could be had: ${why()}`));
  };

  const tryToStart = () => {
    const standing = flags.standing();
    if (stateNow() === 'ready') stage.begin('ready');
    else if (standing === 'unusable') stopWaiting();
    else if (standing === 'refused' && remote === undefined) refuse();
  };

  /** A key that may evaluate need not be one that may read the flag set. */
  const probe = async () => {
    const trouble = await remote?.probe();
    mayAsk = trouble === undefined;
    if (mayAsk) look();
    else if (stage.isStarting() && trouble !== undefined && isRefusal(trouble)) refuse();
  };

  const look = () => {
    if (remote !== undefined && !mayAsk && flags.standing() === 'refused') void probe();
    if (stage.isStarting()) tryToStart();
    else stage.enter(stateNow());
  };

  const cancel = world.after(options.initTimeoutMs ?? INIT_TIMEOUT_MS, () => {
    if (stage.isStarting()) stopWaiting();
  });
  stage.started.then(cancel, cancel);

  return {
    started: stage.started,
    view: flags.view,
    freshness: flags.freshness,
    answer(flagKey, context) {
      const plain = plainContext(context);
      const here = () => flags.view()?.evaluate(flagKey, plain);
      if (remote !== undefined) return remote.ask(flagKey, plain, here);
      return here() ?? unavailable(flagKey, 'PROVIDER_NOT_READY', NO_FLAGS);
    },
    async close() {
      stage.close();
      remote?.close();
      await flags.close();
    },
  };
};
