import { createUsageReporter, trueWithin } from '@pennon/sync';
import type { Outcome, Runtime, UsageReporter } from '@pennon/sync';

import { createFlagManager } from './flag-manager.ts';
import type { FlagListener, FlagManager } from './flag-manager.ts';
import { isLocal, isOffline, isRemote } from './options.ts';
import type { ResolvedOptions } from './options.ts';
import { createProviderState } from './provider-state.ts';
import type { ProviderListener, StateInputs } from './provider-state.ts';
import { createRemoteEvaluator } from './remote.ts';
import type { RemoteEvaluator } from './remote.ts';
import { noFlags, toPlainContext } from './resolution.ts';
import type { EvaluationResult } from './resolution.ts';
import type { Freshness, SourceState } from './sources.ts';

/** One run of a provider, from `initialize` to `onClose`. */
export type Session = {
  /** Resolves when there are flags to evaluate; rejects if there are none in time. */
  readonly started: Promise<void>;
  readonly flags: FlagManager;
  readonly freshness: () => Freshness;
  /** Evaluates on the server in remote mode, otherwise with the current flags. */
  readonly evaluate: (
    flagKey: string,
    context: unknown,
  ) => EvaluationResult | Promise<EvaluationResult>;
  /**
   * Counts what the application got. `result` is what the session has returned for it: the server has counted those that
   * it has evaluated.
   */
  readonly count: (flagKey: string, outcome: Outcome, result?: EvaluationResult) => void;
  /** Resolves to whether the flags, or the evaluations of the server, are current within `timeoutMs`. */
  readonly refresh: (timeoutMs: number) => Promise<boolean>;
  /** Resolves when `others`, which use the same connections, and all of its own have ended. */
  close(others: Promise<void> | undefined): Promise<void>;
};

/** What a session reports to its provider. */
type SessionListener = ProviderListener &
  Pick<FlagListener, 'onWarning'> & {
    /** Called when the flags in use may have changed. */
    readonly onFlags: () => void;
  };

const INIT_TIMEOUT_MS = 2_000;
/** The grace period: how long a start waits for a slow server although there are older flags. */
const GRACE_MS = 250;

const stateInputs = (
  flags: FlagManager,
  remote: RemoteEvaluator | undefined,
  timers: Pick<StateInputs, 'isGraceOver' | 'hasInitTimedOut'>,
): StateInputs => ({
  source: flags.sourceState(),
  hasFlags: flags.snapshot() !== undefined,
  remoteAccess: remote?.access(),
  isRemoteStale: remote?.source.staleError() !== undefined,
  lastStatus: flags.freshness().lastError?.status,
  ...timers,
});

/** Calls `onTimer` after the grace period, and when `initialize` must not wait any longer. */
const startTimers = (
  { initTimeoutMs = INIT_TIMEOUT_MS }: ResolvedOptions,
  { setTimer }: Runtime,
  onTimer: () => void,
) => {
  const timers = { isGraceOver: false, hasInitTimedOut: false };
  const cancelGrace = setTimer(GRACE_MS, () => {
    timers.isGraceOver = true;
    onTimer();
  });
  const cancelTimeout = setTimer(initTimeoutMs, () => {
    timers.hasInitTimedOut = true;
    onTimer();
  });
  const cancel = () => {
    cancelGrace();
    cancelTimeout();
  };
  return { timers, cancel };
};

/**
 * Returns what differs in remote mode. A key that cannot read the flag set follows nothing, so the results of the
 * server show how current they are.
 */
const remoteFreshness = (
  { access, source }: RemoteEvaluator,
  flagSet: SourceState,
): Partial<Freshness> | undefined => {
  const isServed = flagSet === 'unauthorized' && access() === 'granted';
  return source.freshness() ?? (isServed ? source.responseFreshness() : undefined);
};

/** Returns a function that evaluates on the server in remote mode, otherwise with the current flags. */
const createEvaluate =
  (flags: FlagManager, remote: RemoteEvaluator | undefined): Session['evaluate'] =>
  (flagKey, context) => {
    flags.noticePause();
    const evaluateLocally = () => flags.snapshot()?.evaluate(flagKey, context);
    return remote === undefined
      ? (evaluateLocally() ?? noFlags(flagKey))
      : remote.evaluate(flagKey, toPlainContext(context), evaluateLocally);
  };

/** Returns undefined without a server, and if the application does not report what it gets. */
const startUsage = (
  options: ResolvedOptions,
  runtime: Runtime,
  onProblem: (message: string) => void,
): UsageReporter | undefined => {
  if (isLocal(options) || isOffline(options) || options.usage === false) return undefined;
  const { url, key, environment, headers } = options;
  const isPublic = key.startsWith('pennon_client_');
  const sdk = '@pennon/server-provider';
  return createUsageReporter({ url, key, environment, headers, sdk, isPublic, onProblem }, runtime);
};

export const createSession = (
  options: ResolvedOptions,
  runtime: Runtime,
  listener: SessionListener,
): Session => {
  const flags = createFlagManager(options, runtime, {
    onChange(flagsChanged) {
      // Before the event, so handlers that evaluate do not get cached results.
      remote?.invalidate(flagsChanged);
      state.reportChange(flagsChanged);
    },
    onState() {
      listener.onFlags();
      if (flags.sourceState() === 'unauthorized') void remote?.checkAccess();
      updateState();
    },
    onPause: pause => remote?.afterPause(pause),
    onWarning: listener.onWarning,
  });
  const remote = isRemote(options)
    ? createRemoteEvaluator(options, runtime, () => updateState())
    : undefined;
  const usage = startUsage(options, runtime, listener.onWarning);
  const lastError = () =>
    remote?.circuitError() ?? remote?.source.staleError() ?? flags.freshness().lastError;
  const state = createProviderState(
    listener,
    () => lastError()?.message ?? 'the server has not responded',
  );
  const { timers, cancel } = startTimers(options, runtime, () => updateState());
  const updateState = () => state.update(stateInputs(flags, remote, timers));
  state.started.then(cancel, cancel);
  const close: Session['close'] = async others => {
    state.close();
    remote?.close();
    const closed = flags.close();
    await Promise.all([usage?.close(), others]);
    runtime.renewConnections?.();
    await closed;
  };
  const refresh = (timeoutMs: number): Promise<boolean> => {
    flags.noticePause();
    remote?.expire();
    if (remote === undefined || flags.sourceState() !== 'unauthorized')
      return flags.refresh(timeoutMs);
    // A key without access to the flag set follows nothing, so only the server can confirm that it evaluates.
    runtime.renewConnections?.();
    return trueWithin(remote.confirm(), timeoutMs, runtime.setTimer);
  };
  return {
    started: state.started,
    flags,
    freshness: () => ({
      ...flags.freshness(),
      ...(remote && remoteFreshness(remote, flags.sourceState())),
    }),
    evaluate: createEvaluate(flags, remote),
    count(flagKey, outcome, result) {
      if (result === undefined || remote?.isCounted(result) !== true)
        usage?.count(flagKey, outcome);
    },
    refresh,
    close,
  };
};
