import { ErrorCode, OpenFeatureEventEmitter, ProviderEvents } from '@openfeature/server-sdk';
import type {
  EvaluationContext,
  JsonValue,
  Provider,
  ResolutionDetails,
} from '@openfeature/server-sdk';
import { LONGEST_TIMER_MS, NOT_STARTED, defaultRuntime } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';

import { toPlainContext } from './context.ts';
import type { FlagSnapshot } from './flag-snapshot.ts';
import { isOffline, validateOptions } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
import type { ProviderListener } from './provider-state.ts';
import { BOOLEAN, NUMBER, noFlags, objectType, STRING, toResolution } from './resolution.ts';
import type { EvaluationResult, ExpectedType } from './resolution.ts';
import { createSession } from './session.ts';
import type { Session } from './session.ts';
import type { Freshness } from './sources.ts';

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
      this.#session?.snapshot()?.evaluate(flagKey, toPlainContext(context)) ?? noFlags(flagKey)
    );
  }

  /** Returns the current flags, to evaluate several of the same revision. */
  snapshot(): Snapshot {
    return toPublicSnapshot(this.#session?.snapshot());
  }

  /** Returns how up to date the flags are, and why. */
  freshness(): Freshness {
    return this.#session?.freshness() ?? NOT_STARTED;
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
    const result = (await session?.evaluate(flagKey, context)) ?? noFlags(flagKey);
    const telemetry = session?.snapshot()?.telemetryOf(flagKey) ?? {};
    return toResolution(result, expected, defaultValue, telemetry);
  }
}
