import {
  ErrorCode,
  OpenFeature,
  OpenFeatureEventEmitter,
  ProviderEvents,
  ServerProviderStatus,
} from '@openfeature/server-sdk';
import type {
  EvaluationContext,
  JsonValue,
  Provider,
  ResolutionDetails,
  TrackingEventDetails,
} from '@openfeature/server-sdk';
import {
  LONGEST_TIMER_MS,
  NOT_STARTED,
  defaultRuntime,
  isJsonObject,
  onceReady,
  parseMeasured,
  withEventStatus,
} from '@pennon/sync';
import type { Events, JsonObject, Measured, Runtime } from '@pennon/sync';

import { openDirectTransport } from './direct-transport.ts';
import { createProviderEvents } from './events.ts';
import { parseLocalFlags } from './flag-file.ts';
import type { LocalFlags } from './flag-file.ts';
import type { FlagSnapshot } from './flag-snapshot.ts';
import { createNetwork } from './network.ts';
import type { Network } from './network.ts';
import { isLocal, isOffline, optionWarnings, refreshTimeout, resolveOptions } from './options.ts';
import type { PennonProviderOptions, RefreshOptions, ResolvedOptions } from './options.ts';
import { openProxiedTransport } from './proxied-transport.ts';
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
  /**
   * Returns what the option `bootstrap` of the web provider requires: the results of all flags that are
   * `clientVisible`. Put it into the page, as JSON.
   */
  toBootstrap(context?: EvaluationContext): Bootstrap;
};

/** How results are used. */
export type ExposeOptions = {
  /** `false` if the result only looks at a flag, so that its subject is not part of the experiment. */
  readonly expose?: boolean | undefined;
};

/** The results of a page for one context. The web provider ignores them for another targeting key. */
export type Bootstrap = {
  readonly revision: number;
  readonly environment?: string;
  readonly targetingKey?: string;
  readonly evaluations: Readonly<Record<string, EvaluationResult>>;
  /** The running experiments of these flags, and the events that are measured. Absent if nothing is. */
  readonly experiments?: JsonObject;
  readonly tracked?: unknown;
};

/** Rules are not for browsers, so the server leaves out their ids too, except if an experiment measures them. */
const withoutRuleId = (result: EvaluationResult): EvaluationResult => {
  if (!('ruleId' in result)) return result;
  const { ruleId: _, ...rest } = result;
  return rest;
};

/** Returns the experiments of the flags that a browser may see. */
const visibleExperiments = (flags: FlagSnapshot): JsonObject | undefined =>
  isJsonObject(flags.flagSet.experiments)
    ? Object.fromEntries(
        Object.entries(flags.flagSet.experiments).filter(
          ([, each]) => isJsonObject(each) && flags.isClientVisible(String(each['flag'])),
        ),
      )
    : undefined;

/** Returns the results of the flags that a browser may see, each with the version of its flag. */
const visibleResults = (
  flags: FlagSnapshot,
  context: EvaluationContext | undefined,
  { experimentOf }: Measured,
) =>
  Object.fromEntries(
    Object.entries(flags.evaluateAll(context))
      .filter(([key]) => flags.isClientVisible(key))
      .map(([key, result]) => {
        const { version } = flags.telemetryOf(key);
        const isMeasured = 'ruleId' in result && experimentOf(key, result.ruleId ?? '');
        const visible = isMeasured ? result : withoutRuleId(result);
        return [key, version === undefined ? visible : { ...visible, version }];
      }),
  );

const toBootstrap = (
  flags: FlagSnapshot | undefined,
  context: EvaluationContext | undefined,
): Bootstrap => {
  const environment = flags?.flagSet.environment;
  const targetingKey = context?.targetingKey;
  const experiments = flags && visibleExperiments(flags);
  return {
    revision: flags?.revision ?? 0,
    ...(typeof environment === 'string' && { environment }),
    ...(targetingKey !== undefined && { targetingKey }),
    evaluations:
      flags === undefined ? {} : visibleResults(flags, context, parseMeasured({ experiments })),
    ...(experiments !== undefined && { experiments, tracked: flags?.flagSet.tracked ?? null }),
  };
};

/** `onResult` is called for each result that the application gets. */
const toPublicSnapshot = (
  flags: FlagSnapshot | undefined,
  onResult: (
    flagKey: string,
    result: EvaluationResult,
    context: EvaluationContext | undefined,
  ) => void,
): Snapshot => ({
  revision: flags?.revision,
  evaluate(flagKey, context) {
    const result = flags?.evaluate(flagKey, context) ?? noFlags(flagKey);
    onResult(flagKey, result, context);
    return result;
  },
  evaluateAll: context => flags?.evaluateAll(context) ?? {},
  toBootstrap: context => toBootstrap(flags, context),
});

/** Checking a file for edits does not keep the process alive. */
const fileRuntime: Runtime = {
  ...defaultRuntime,
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER_MS)).unref();
    return () => clearTimeout(timer);
  },
};

/** Returns the network that the options require, unless a test replaces it. */
const networkOf = (options: ResolvedOptions, runtime: Partial<Runtime>): Partial<Network> => {
  if (!('url' in options)) return {};
  const { url, proxy, fetch } = options;
  if (fetch !== undefined) return { fetch };
  if (runtime.fetch !== undefined) return {};
  // In Deno, a request of node:http that is aborted as it starts keeps the process alive.
  if (proxy === undefined && 'Deno' in globalThis) return {};
  return createNetwork(() =>
    proxy === undefined ? openDirectTransport(url) : openProxiedTransport(proxy),
  );
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
  /** Emits the events of OpenFeature. Also has the state of the events that are sent to the server. */
  readonly events = withEventStatus(new OpenFeatureEventEmitter(), () => this.#sender);
  readonly #runtime: Runtime;
  #options: ResolvedOptions;
  #session: Session | undefined;
  #domain: string | undefined;
  /** Sends exposures and tracking events. Undefined without a server. */
  #sender: Events | undefined;
  #isClosed = false;

  /** `runtime` replaces clock, timers, randomness and network in tests. */
  constructor(options: PennonProviderOptions = {}, runtime: Partial<Runtime> = {}) {
    this.#options = resolveOptions(options, process.env);
    if (isLocal(options)) parseLocalFlags(options.flags);
    const base = isOffline(options) ? fileRuntime : defaultRuntime;
    this.#runtime = { ...base, ...runtime, ...networkOf(this.#options, runtime) };
    for (const warning of optionWarnings(this.#options)) this.#warn(warning);
    this.#sender = this.#createSender();
  }

  #createSender(): Events | undefined {
    return createProviderEvents(
      this.#options,
      () => this.#session,
      this.#runtime,
      message => this.#warn(message),
    );
  }

  /**
   * Resolves when there are flags to evaluate. Rejects when none are available in time, or if the server rejects
   * the key; the provider keeps trying, and emits READY when it succeeds.
   */
  async initialize(_?: EvaluationContext, domain?: string): Promise<void> {
    this.#domain = domain;
    if (this.#isClosed) this.#sender = this.#createSender();
    this.#isClosed = false;
    this.#session ??= createSession(this.#options, this.#runtime, this.#listener);
    const { started } = this.#session;
    if (EMITS_START_EVENTS) {
      const { onReady } = this.#listener;
      await started.then(onReady, (error: unknown) => this.#emitError(String(error)));
    }
    await started;
  }

  /** Ends all timers and connections. The provider can be initialized again. */
  async onClose(): Promise<void> {
    const session = this.#session;
    const sent = this.#sender?.close();
    this.#session = undefined;
    this.#isClosed = true;
    await (session === undefined ? sent : session.close(sent));
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
   * Evaluates a flag without a promise, for code that runs very often. Always evaluates in this process, even in remote mode:
   * the provider follows the flag set there too.
   */
  evaluate(
    flagKey: string,
    context?: EvaluationContext,
    { expose = true }: ExposeOptions = {},
  ): EvaluationResult {
    const result = this.#currentFlags()?.evaluate(flagKey, context) ?? noFlags(flagKey);
    this.#session?.count(flagKey, result);
    if (expose && 'ruleId' in result) this.#sender?.expose(flagKey, result, context);
    return result;
  }

  /** Returns the current flags, to evaluate several of the same revision. */
  snapshot({ expose = true }: ExposeOptions = {}): Snapshot {
    return toPublicSnapshot(this.#currentFlags(), (flagKey, result, context) => {
      this.#session?.count(flagKey, result);
      if (expose && 'ruleId' in result) this.#sender?.expose(flagKey, result, context);
    });
  }

  /**
   * Sends an event that a metric measures, such as a purchase. Never throws. Works before the provider is ready, if it
   * is called directly and not by a client of OpenFeature.
   */
  track(name: string, context: EvaluationContext = {}, details: TrackingEventDetails = {}): void {
    this.#sender?.track(name, context, details);
  }

  /** Sends exposures and tracking events at once. Resolves to whether the server has accepted all within 2 s. */
  async flush(): Promise<boolean> {
    return (await this.#sender?.flush()) ?? true;
  }

  #currentFlags(): FlagSnapshot | undefined {
    this.#session?.flags.noticePause();
    return this.#session?.flags.snapshot();
  }

  /**
   * Replaces the flags of the option `flags`, and emits which have changed. Resolves when they are in effect.
   * Rejects, and keeps the current flags, if one is malformed.
   */
  async setFlags(flags: LocalFlags): Promise<void> {
    if (!isLocal(this.#options))
      throw new TypeError('PennonProvider: "setFlags" requires the option "flags"');
    await this.#session?.flags.setFlags(parseLocalFlags(flags));
    this.#options = { ...this.#options, flags };
  }

  /**
   * Requests the flags at once, or reads the offline file again, for code that must not decide on old flags, such
   * as a function that was frozen. Resolves to true when they are current and in effect, or to false if that
   * takes longer than `timeoutMs`, 2,000 by default. In remote mode, the next evaluations use no cached result.
   */
  async refresh(options: RefreshOptions = {}): Promise<boolean> {
    const timeoutMs = refreshTimeout(options);
    return (await this.#session?.refresh(timeoutMs)) ?? false;
  }

  /** Returns how up to date the flags are, and why. */
  freshness(): Freshness {
    return this.#session?.freshness() ?? NOT_STARTED;
  }

  readonly #listener = {
    onChange: (flagsChanged: string[]) =>
      this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged }),
    onReady: () => this.events.emit(ProviderEvents.Ready),
    onStale: (message: string) => {
      this.#warn(`the flags may be out of date: ${message}`);
      this.events.emit(ProviderEvents.Stale, { message });
    },
    onWarning: (message: string) => this.#warn(message),
    onFlags: () => this.#sender?.release(),
    afterStart: (callback: () => void) => {
      const domain = this.#domain;
      const client = domain === undefined ? OpenFeature.getClient() : OpenFeature.getClient(domain);
      const isReady = () => client.providerStatus === ServerProviderStatus.READY;
      onceReady(isReady, callback, this.#runtime.setTimer);
    },
  };

  #emitError(message: string): void {
    this.events.emit(ProviderEvents.Error, { message, errorCode: ErrorCode.GENERAL });
  }

  /** The SDK has no accessor for the logger that `OpenFeature.setLogger` has set. */
  #warn(message: string): void {
    const logger = this.#options.logger ?? OpenFeature['_logger'];
    logger.warn(`Pennon: ${message}`);
  }

  async #resolve<T>(
    flagKey: string,
    expected: ExpectedType<T>,
    defaultValue: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    const session = this.#session;
    const result = session ? await session.evaluate(flagKey, context) : noFlags(flagKey);
    const telemetry = session?.flags.snapshot()?.telemetryOf(flagKey) ?? {};
    const resolution = toResolution(result, expected, defaultValue, telemetry);
    session?.count(flagKey, resolution, result);
    if (resolution.variant === undefined || !('ruleId' in result)) return resolution;
    const experiment = this.#sender?.expose(flagKey, result, context);
    if (experiment === undefined) return resolution;
    return { ...resolution, flagMetadata: { ...resolution.flagMetadata, experiment } };
  }
}
