import type {
  EvaluationContext,
  JsonValue,
  Logger,
  Provider,
  ResolutionDetails,
  TrackingEventDetails,
} from '@openfeature/web-sdk';
import {
  ClientProviderStatus,
  OpenFeature,
  OpenFeatureEventEmitter,
  ProviderEvents,
} from '@openfeature/web-sdk';
import type { Runtime, Values } from '@pennon/sync';
import {
  changedNames,
  NOT_STARTED,
  defaultRuntime,
  onceReady,
  withEventStatus,
} from '@pennon/sync';

import { createPageEvents } from './events.ts';
import type { PageEvents } from './events.ts';
import type { LocalFlags } from './local-flags.ts';
import { evaluateFlags } from './local-flags.ts';
import type { OnlineOptions, PennonWebProviderOptions, RefreshOptions } from './options.ts';
import { checkOptions, fail, hasFlags, refreshTimeout } from './options.ts';
import { browserStorage, createPersistence, isValues } from './persistence.ts';
import type { ValueStorage } from './persistence.ts';
import type { Reconciler, ReconcilerEvents } from './reconciler.ts';
import { createReconciler } from './reconciler.ts';
import type { Evaluation, ResolutionSource, ValueTypes } from './resolution.ts';
import { resolve } from './resolution.ts';
import type { ServerOptions } from './shared-follower.ts';
import { subjectOf } from './subject.ts';
import { startUsage } from './usage.ts';
import type { Usage } from './usage.ts';
import type { Freshness, ValueStore } from './value-store.ts';
import { createValueStore } from './value-store.ts';

const INIT_TIMEOUT_MS = 2_000;
const POLL_INTERVAL_MS = 30_000;

/**
 * An OpenFeature provider for browsers. The server evaluates all flags for the current context; the provider
 * follows these values and resolves flags from them.
 *
 * @example
 * await OpenFeature.setProviderAndWait(
 *   new PennonWebProvider({ url: 'https://flags.example.com', key: 'pennon_client_…' }),
 *   { targetingKey: 'user-42' },
 * );
 * OpenFeature.getClient().getBooleanValue('new-checkout', false);
 */
export class PennonWebProvider implements Provider {
  readonly runsOn = 'client';
  readonly metadata = { name: 'pennon-web' };
  /** The values are those of one context, so the SDK must not bind an instance to several domains. */
  readonly domainScoped = true;
  /** Emits the events of OpenFeature. Also has the state of the events that are sent to the server. */
  readonly events = withEventStatus(new OpenFeatureEventEmitter(), () => this.#sender);
  readonly #options: PennonWebProviderOptions;
  readonly #runtime: Runtime;
  #source: ResolutionSource | undefined;
  #reconciler: Reconciler | undefined;
  #usage: Usage | undefined;
  /** Sends exposures and tracking events. Undefined without a server. */
  #sender: PageEvents | undefined;
  #isClosed = false;
  #domain: string | undefined;
  #localValues: Values<Evaluation> | undefined;
  /** The subject of the first context, to which the values of the page belong. */
  #firstSubject: string | undefined;

  constructor(options: PennonWebProviderOptions, runtime: Runtime = defaultRuntime) {
    checkOptions(options);
    this.#options = options;
    if (hasFlags(options)) this.#localValues = evaluateFlags(options.flags, 1);
    const { fetch, bootstrap }: Partial<OnlineOptions> = options;
    if (bootstrap && !isValues(bootstrap))
      this.warn('"bootstrap" has no effect: pass the result of "toBootstrap"');
    this.#runtime = fetch === undefined ? runtime : { ...runtime, fetch };
    this.#sender = this.#createSender();
  }

  #createSender(): PageEvents | undefined {
    const options = this.#options;
    if (hasFlags(options)) return undefined;
    return createPageEvents(
      {
        options,
        server: serverOf(options),
        storage: storageOf(options),
        values: () => this.#source?.values(),
        onProblem: message => this.warn(message),
      },
      this.#runtime,
    );
  }

  /** The SDK emits READY when the promise resolves, so the provider does not (2.8 of the specification). */
  async initialize(context: EvaluationContext = {}, domain?: string): Promise<void> {
    this.#domain = domain;
    this.#reconciler?.close();
    this.#usage?.close();
    if (this.#isClosed) this.#sender = this.#createSender();
    this.#isClosed = false;
    if (hasFlags(this.#options)) this.#startWithFlags();
    else await this.#startWithServer(this.#options, context, domain);
  }

  #startWithFlags(): void {
    this.#source = { values: () => this.#localValues, isRestored: () => false };
  }

  async #startWithServer(
    options: OnlineOptions,
    context: EvaluationContext,
    domain: string | undefined,
  ): Promise<void> {
    this.#firstSubject ??= subjectOf(context);
    const runtime = this.#runtime;
    const server = serverOf(options);
    const store = openStore(options, server, domain, runtime);
    const timeoutMs = options.initTimeoutMs ?? INIT_TIMEOUT_MS;
    const reconciler = createReconciler({
      server,
      timeoutMs,
      store,
      events: this.#events,
      runtime,
    });
    this.#source = store;
    this.#reconciler = reconciler;
    // Before usage, because the last requests of a page have little room.
    this.#sender?.listen();
    this.#usage = startUsage(options, server, runtime, message => this.warn(message));
    const bootstrap = this.#bootstrapFor(context, options);
    if (bootstrap === undefined || this.#firstSubject !== subjectOf(context))
      return reconciler.reconcile(context).finally(() => this.#sender?.release());
    reconciler.start(context, bootstrap);
    this.#sender?.release();
    // Makes the provider ready before the first paint. The SDK does not listen yet, so handlers run once.
    this.events.emit(ProviderEvents.Ready);
  }

  /** Returns the values that the page came with, unless they are malformed or for another subject. */
  #bootstrapFor(
    { targetingKey }: EvaluationContext,
    { bootstrap }: OnlineOptions,
  ): Values<Evaluation> | undefined {
    if (!isValues(bootstrap)) return undefined;
    if ((bootstrap.targetingKey ?? targetingKey) === targetingKey) return bootstrap;
    this.warn('"bootstrap" is for another "targetingKey": evaluate it for the context of the page');
    return undefined;
  }

  readonly #events: ReconcilerEvents = {
    changed: flagsChanged => {
      this.#sender?.release();
      this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged });
    },
    stale: message => {
      this.warn(`the values may be out of date: ${message}`);
      this.events.emit(ProviderEvents.Stale, { message });
    },
    ready: () => {
      this.#sender?.release();
      this.events.emit(ProviderEvents.Ready);
    },
    afterReady: callback => {
      const client = OpenFeature.getClient(this.#domain);
      const isReady = () => client.providerStatus === ClientProviderStatus.READY;
      onceReady(isReady, callback, this.#runtime.setTimer);
    },
  };

  /** The SDK has no accessor for the logger that `OpenFeature.setLogger` has set. */
  protected warn(message: string): void {
    const logger: Logger = this.#options.logger ?? OpenFeature['_logger'];
    logger.warn(`Pennon: ${message}`);
  }

  /** Must not throw before it returns its promise: the SDK would lose count of context changes. */
  async onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    await this.#reconciler?.reconcile(context);
  }

  async onClose(): Promise<void> {
    this.#reconciler?.close();
    this.#usage?.close();
    this.#source = undefined;
    this.#reconciler = undefined;
    this.#usage = undefined;
    this.#isClosed = true;
    await this.#sender?.close();
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

  /** Replaces the flags of the option `flags`, and emits which have changed. */
  setFlags(flags: LocalFlags): void {
    const previous = this.#localValues;
    if (previous === undefined) return fail('"setFlags" requires the option "flags"');
    const next = evaluateFlags(flags, previous.revision + 1);
    this.#localValues = next;
    const flagsChanged = changedNames(previous.evaluations, next.evaluations);
    if (this.#source !== undefined && flagsChanged.length > 0) this.#events.changed(flagsChanged);
  }

  /**
   * Requests the values at once. Resolves to true when they are current, or to false if that takes longer than
   * `timeoutMs`, 2,000 by default, and on a hidden page, which follows nothing.
   */
  async refresh(options: RefreshOptions = {}): Promise<boolean> {
    const timeoutMs = refreshTimeout(options);
    if (this.#source && this.#localValues) return true;
    return (await this.#reconciler?.subscription()?.refresh(timeoutMs)) ?? false;
  }

  /** Returns how current the values are, their source and the last error. */
  freshness(): Freshness {
    const values = this.#source && this.#localValues;
    return values === undefined
      ? (this.#reconciler?.freshness() ?? NOT_STARTED)
      : { ...NOT_STARTED, mode: 'flags', source: 'flags', revision: values.revision };
  }

  #resolve<Type extends keyof ValueTypes, Value extends ValueTypes[Type]>(
    flagKey: string,
    type: Type,
    defaultValue: Value,
    context: EvaluationContext | undefined,
  ): ResolutionDetails<Value> {
    this.#reconciler?.subscription()?.noticePause();
    const details = resolve(this.#source, flagKey, type, defaultValue);
    this.#usage?.count(flagKey, details);
    const { variant, flagMetadata } = details;
    const ruleId = flagMetadata?.['ruleId'];
    if (typeof ruleId !== 'string') return details;
    const experiment = this.#sender?.expose(flagKey, { ruleId, variant }, context);
    if (experiment === undefined) return details;
    return { ...details, flagMetadata: { ...flagMetadata, experiment } };
  }

  resolveBooleanEvaluation(
    flagKey: string,
    defaultValue: boolean,
    context?: EvaluationContext,
  ): ResolutionDetails<boolean> {
    return this.#resolve(flagKey, 'boolean', defaultValue, context);
  }

  resolveStringEvaluation(
    flagKey: string,
    defaultValue: string,
    context?: EvaluationContext,
  ): ResolutionDetails<string> {
    return this.#resolve(flagKey, 'string', defaultValue, context);
  }

  resolveNumberEvaluation(
    flagKey: string,
    defaultValue: number,
    context?: EvaluationContext,
  ): ResolutionDetails<number> {
    return this.#resolve(flagKey, 'number', defaultValue, context);
  }

  resolveObjectEvaluation<T extends JsonValue>(
    flagKey: string,
    defaultValue: T,
    context?: EvaluationContext,
  ): ResolutionDetails<T> {
    return this.#resolve(flagKey, 'object', defaultValue, context);
  }
}

/** Equal addresses and headers may be spelled differently. */
const serverOf = ({
  url,
  key,
  headers,
  stream = true,
  pollIntervalMs = POLL_INTERVAL_MS,
}: OnlineOptions): ServerOptions => ({
  url: addressOf(url),
  key,
  headers: Object.fromEntries(new Headers(headers)),
  stream,
  pollIntervalMs,
});

/** Returns the URL with a host in lower case, and without a default port and final slashes. */
const addressOf = (url: string): string => new URL(url).href.replace(/\/+$/, '');

const storageOf = ({ storage = browserStorage() }: OnlineOptions): ValueStorage | undefined =>
  storage ?? undefined;

const openStore = (
  options: OnlineOptions,
  { url, key, headers }: ServerOptions,
  domain: string | undefined,
  runtime: Runtime,
): ValueStore => {
  const persistence = createPersistence({
    url,
    key,
    headers,
    domain,
    storage: storageOf(options),
    maxAgeMs: options.storageMaxAgeMs ?? Infinity,
    runtime,
  });
  return createValueStore(persistence, runtime.monotonic);
};
