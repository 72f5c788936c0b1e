import { ErrorCode, OpenFeatureEventEmitter, ProviderEvents } from '@openfeature/server-sdk';
import type {
  EvaluationContext,
  JsonValue,
  Provider,
  ResolutionDetails,
} from '@openfeature/server-sdk';
import { LONGEST_TIMER_MS, NOT_STARTED, defaultRuntime } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';

import { createFlagManager } from './flag-manager.ts';
import type { FlagManager } from './flag-manager.ts';
import type { FlagSnapshot } from './flag-snapshot.ts';
import { isOffline, isRemote, validateOptions } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
import { createProviderState } from './provider-state.ts';
import type { ProviderListener, StateInputs } from './provider-state.ts';
import { createRemoteEvaluator } from './remote.ts';
import type { RemoteEvaluator } from './remote.ts';
import {
  BOOLEAN,
  NUMBER,
  noFlags,
  objectType,
  STRING,
  toPlainContext,
  toResolution,
} from './resolution.ts';
import type { EvaluationResult, ExpectedType } from './resolution.ts';
import type { Freshness } from './sources.ts';

/** One run of a provider, from `initialize` to `onClose`. */
type Session = {
  /** Resolves when there are flags to evaluate; rejects if there are none in time. */
  readonly started: Promise<void>;
  readonly flags: FlagManager;
  /** Undefined if flags are evaluated in this process. */
  readonly remote: RemoteEvaluator | undefined;
  close(): Promise<void>;
};

const INIT_TIMEOUT_MS = 2_000;

const stateInputs = (
  flags: FlagManager,
  remote: RemoteEvaluator | undefined,
  initTimedOut: boolean,
): StateInputs => ({
  source: flags.sourceState(),
  hasFlags: flags.snapshot() !== undefined,
  remoteAccess: remote?.access(),
  lastStatus: flags.freshness().lastError?.status,
  initTimedOut,
});

const createSession = (
  options: PennonProviderOptions,
  runtime: Runtime,
  listener: ProviderListener,
): Session => {
  const flags = createFlagManager(options, runtime, {
    onChange(flagsChanged) {
      // Before the event, so handlers that evaluate do not get cached results.
      remote?.invalidate(flagsChanged);
      state.change(flagsChanged);
    },
    onState() {
      if (flags.sourceState() === 'unauthorized') void remote?.checkAccess();
      updateState();
    },
  });
  const remote = isRemote(options)
    ? createRemoteEvaluator(options, runtime, () => updateState())
    : undefined;
  const lastError = () => remote?.openError() ?? flags.freshness().lastError;
  const state = createProviderState(
    listener,
    () => lastError()?.message ?? 'the server has not responded',
  );
  const updateState = (initTimedOut = false) =>
    state.update(stateInputs(flags, remote, initTimedOut));

  const timeoutMs = options.initTimeoutMs ?? INIT_TIMEOUT_MS;
  const cancelTimer = runtime.setTimer(timeoutMs, () => updateState(true));
  state.started.then(cancelTimer, cancelTimer);
  const close = (): Promise<void> => {
    state.close();
    remote?.close();
    return flags.close();
  };
  return { started: state.started, flags, remote, close };
};

/** Evaluates on the server in remote mode, otherwise with the current flags. */
const evaluate = (
  { flags, remote }: Session,
  flagKey: string,
  context: unknown,
): EvaluationResult | Promise<EvaluationResult> => {
  const plain = toPlainContext(context);
  const evaluateLocally = () => flags.snapshot()?.evaluate(flagKey, plain);
  return remote === undefined
    ? (evaluateLocally() ?? noFlags(flagKey))
    : remote.evaluate(flagKey, plain, evaluateLocally);
};

/**
 * From version 0.9 on, the specification requires providers to emit READY and ERROR from `initialize` (2.8).
 * Current SDKs emit them on the provider's behalf, and would call handlers twice.
 */
const EMITS_START_EVENTS: boolean = false;

/** All flags of one revision, unaffected by later changes. */
export type Snapshot = {
  readonly revision: number | undefined;
  evaluate(flagKey: string, context?: EvaluationContext): EvaluationResult;
  /** Returns the result of every flag, by key. */
  evaluateAll(context?: EvaluationContext): Readonly<Record<string, EvaluationResult>>;
};

const toPublicSnapshot = (flags: FlagSnapshot | undefined): Snapshot => ({
  revision: flags?.revision,
  evaluate: (flagKey, context) =>
    flags?.evaluate(flagKey, toPlainContext(context)) ?? noFlags(flagKey),
  evaluateAll: context => flags?.evaluateAll(toPlainContext(context)) ?? {},
});

/** Checking a file for edits does not keep the process alive. */
const fileRuntime: Runtime = {
  ...defaultRuntime,
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER_MS)).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * The OpenFeature provider for Node.js. Evaluates flags in this process and keeps them up to date with a
 * server or a file, or evaluates them on the server.
 *
 * @example
 * await OpenFeature.setProviderAndWait(new PennonProvider({ url: 'http://localhost:4400', key }));
 * await OpenFeature.getClient().getBooleanValue('new-checkout', false, { targetingKey: 'ada' });
 */
export class PennonProvider implements Provider {
  readonly metadata = { name: 'pennon' } as const;
  readonly runsOn = 'server';
  readonly events = new OpenFeatureEventEmitter();
  readonly #options: PennonProviderOptions;
  readonly #runtime: Runtime;
  #session: Session | undefined;

  /** `runtime` replaces clock, timers, randomness and network in tests. */
  constructor(options: PennonProviderOptions, runtime: Partial<Runtime> = {}) {
    validateOptions(options);
    this.#options = options;
    this.#runtime = { ...(isOffline(options) ? fileRuntime : defaultRuntime), ...runtime };
  }

  /**
   * Resolves when there are flags to evaluate. Rejects if none are available in time, or if the server rejects
   * the key; the provider keeps trying, and emits READY when it succeeds.
   */
  async initialize(): Promise<void> {
    this.#session ??= createSession(this.#options, this.#runtime, this.#listener);
    const { started } = this.#session;
    if (EMITS_START_EVENTS) {
      const { onReady, onError } = this.#listener;
      await started.then(onReady, (error: unknown) => onError(String(error)));
    }
    await started;
  }

  /** Ends all timers and connections. The provider can be initialized again. */
  async onClose(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  resolveBooleanEvaluation(
    flagKey: string,
    defaultValue: boolean,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    return this.#resolve(flagKey, BOOLEAN, defaultValue, context);
  }

  resolveStringEvaluation(
    flagKey: string,
    defaultValue: string,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<string>> {
    return this.#resolve(flagKey, STRING, defaultValue, context);
  }

  resolveNumberEvaluation(
    flagKey: string,
    defaultValue: number,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<number>> {
    return this.#resolve(flagKey, NUMBER, defaultValue, context);
  }

  resolveObjectEvaluation<T extends JsonValue>(
    flagKey: string,
    defaultValue: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    return this.#resolve(flagKey, objectType<T>(), defaultValue, context);
  }

  /**
   * Evaluates a flag without a promise, for hot code. Always evaluates in this process, even in remote mode:
   * the provider follows the flag set there too.
   */
  evaluate(flagKey: string, context?: EvaluationContext): EvaluationResult {
    return (
      this.#session?.flags.snapshot()?.evaluate(flagKey, toPlainContext(context)) ??
      noFlags(flagKey)
    );
  }

  /** Returns the current flags, to evaluate several of the same revision. */
  snapshot(): Snapshot {
    return toPublicSnapshot(this.#session?.flags.snapshot());
  }

  /** Returns how up to date the flags are, and why. */
  freshness(): Freshness {
    return this.#session?.flags.freshness() ?? NOT_STARTED;
  }

  readonly #listener: ProviderListener = {
    onChange: flagsChanged =>
      this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged }),
    onReady: () => this.events.emit(ProviderEvents.Ready),
    onStale: message => this.events.emit(ProviderEvents.Stale, { message }),
    onError: message =>
      this.events.emit(ProviderEvents.Error, { message, errorCode: ErrorCode.GENERAL }),
  };

  async #resolve<T>(
    flagKey: string,
    expected: ExpectedType<T>,
    defaultValue: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    const session = this.#session;
    const result = session ? await evaluate(session, flagKey, context) : noFlags(flagKey);
    const telemetry = session?.flags.snapshot()?.telemetryOf(flagKey) ?? {};
    return toResolution(result, expected, defaultValue, telemetry);
  }
}
