import { GeneralError, ProviderFatalError } from '@openfeature/server-sdk';
import { isAuthError } from '@pennon/sync';
import type { SyncError, Runtime } from '@pennon/sync';

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
import type { News, Stage } from './stage.ts';
import { startOf, stateOf } from './stand.ts';
import type { Facts, Start } from './stand.ts';
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
  world: Runtime,
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

/** Finds out whether a server that does not let this key read the flag set decides for it all the same. */
type Probe = {
  readonly answersUs: () => boolean;
  readonly send: () => Promise<void>;
};

/** `onAnswer` is told what went wrong, if anything. */
const createProbe = (
  remote: Remote | undefined,
  onAnswer: (trouble: SyncError | undefined) => void,
): Probe => {
  let answered = false;
  return {
    answersUs: () => answered && remote?.trouble() === undefined,
    async send() {
      if (remote === undefined || answered) return;
      const trouble = await remote.probe();
      answered = trouble === undefined;
      onAnswer(trouble);
    },
  };
};

/** Begins, or says why it cannot. */
const start = (stage: Stage, how: Start | undefined, why: string): void => {
  if (how === 'ready' || how === 'stale') stage.begin(how);
  if (how === 'refused') stage.fail(new ProviderFatalError(`the server refuses the key: ${why}`));
  if (how === 'empty') stage.fail(new GeneralError(`no flags could be had: ${why}`));
};

/** Asked of the server where there is one to ask, and decided here else. */
const answerOf = (
  flags: Flags,
  remote: Remote | undefined,
  flagKey: string,
  context: unknown,
): Answer | Promise<Answer> => {
  const plain = plainContext(context);
  const here = () => flags.view()?.evaluate(flagKey, plain);
  if (remote !== undefined) return remote.ask(flagKey, plain, here);
  return here() ?? unavailable(flagKey, 'PROVIDER_NOT_READY', NO_FLAGS);
};

export const openSession = (
  options: PennonProviderOptions,
  world: Runtime,
  news: News,
): Session => {
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
  const probe = createProbe(remote, trouble => {
    if (trouble === undefined) look();
    else if (stage.isStarting() && isAuthError(trouble)) start(stage, 'refused', why());
  });

  const facts = (): Facts => ({
    standing: flags.standing(),
    hasFlags: flags.view() !== undefined,
    isRemote: remote !== undefined,
    answersUs: probe.answersUs(),
    lastStatus: flags.freshness().lastError?.status,
  });
  const look = () => {
    if (flags.standing() === 'refused') void probe.send();
    if (stage.isStarting()) start(stage, startOf(facts(), false), why());
    else stage.enter(stateOf(facts()));
  };
  const cancel = world.setTimer(options.initTimeoutMs ?? INIT_TIMEOUT_MS, () => {
    if (stage.isStarting()) start(stage, startOf(facts(), true), why());
  });
  stage.started.then(cancel, cancel);

  return {
    started: stage.started,
    view: flags.view,
    freshness: flags.freshness,
    answer: (flagKey, context) => answerOf(flags, remote, flagKey, context),
    async close() {
      stage.close();
      remote?.close();
      await flags.close();
    },
  };
};
