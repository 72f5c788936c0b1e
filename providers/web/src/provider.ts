import type {
  EvaluationContext,
  JsonValue,
  Logger,
  Provider,
  ResolutionDetails,
  TrackingEventDetails,
} from '@openfeature/web-sdk';
import type { Runtime } from '@pennon/sync';
import { defaultRuntime, NOT_STARTED, withEventStatus } from '@pennon/sync';

import { createLocalSource } from './local-flags.ts';
import type { LocalFlags } from './local-flags.ts';
import type {
  FlagsOptions,
  OnlineOptions,
  PennonWebProviderOptions,
  RefreshOptions,
} from './options.ts';
import { checkOptions, fail, hasFlags, refreshTimeout } from './options.ts';
import { createPersistence, isValues } from './persistence.ts';
import { createReconciler, emitChanges } from './reconciler.ts';
import type { Emit, Freshness, Source } from './reconciler.ts';
import type { ValueTypes } from './resolution.ts';
import { resolve } from './resolution.ts';
import { OpenFeature, OpenFeatureEventEmitter, ProviderEvents } from './sdk.ts';
import { createSender } from './sender.ts';
import type { Sender } from './sender.ts';
import type { ServerOptions } from './shared-follower.ts';
import { browserStorage } from './storage.ts';
import { subjectOf } from './subject.ts';
import { INIT_TIMEOUT_MS, POLL_INTERVAL_MS } from './limits.ts';

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
  readonly events = withEventStatus(new OpenFeatureEventEmitter(), () => this.#sender?.events);
  readonly #options: PennonWebProviderOptions;
  readonly #runtime: Runtime;
  /** Undefined before the provider is initialized. */
  #source: Source | undefined;
  /** Sends exposures, tracking events and usage. Undefined without a server. */
  #sender: Sender | undefined;
  #isClosed = true;
  /** The flags that the application passes. Undefined with a server. */
  #local: Source | undefined;
  /** The subject of the first context, to which the values of the page belong. */
  #firstSubject: string | undefined;

  constructor(options: PennonWebProviderOptions, runtime: Runtime = defaultRuntime) {
    checkOptions(options);
    this.#options = options;
    const { fetch, flags }: Partial<OnlineOptions & FlagsOptions> = options;
    this.#local =
      flags &&
      createLocalSource(flags, (previous, next) => {
        if (this.#source) emitChanges(this.#emit, previous, next);
      });
    this.#runtime = fetch ? { ...runtime, fetch } : runtime;
    this.#open();
  }

  /** Takes events before the provider is initialized. */
  #open(): void {
    const options = this.#options;
    if (!this.#isClosed || hasFlags(options)) return;
    this.#isClosed = false;
    this.#sender = createSender(
      options,
      serverOf(options),
      storageOf(options),
      () => this.#source?.values(),
      message => this.warn(message),
      this.#runtime,
    );
  }

  /** The SDK emits READY when the promise resolves, so the provider does not (2.8 of the specification). */
  async initialize(context: EvaluationContext = {}, domain?: string): Promise<void> {
    const options = this.#options;
    const runtime = this.#runtime;
    this.#source?.close();
    this.#open();
    if (hasFlags(options)) {
      this.#source = this.#local;
      return;
    }
    const subject = subjectOf(context);
    this.#firstSubject ??= subject;
    const server = serverOf(options);
    const { initTimeoutMs = INIT_TIMEOUT_MS, storageMaxAgeMs = Infinity, bootstrap } = options;
    const reconciler = createReconciler(
      server,
      initTimeoutMs,
      createPersistence(server, domain, storageOf(options), storageMaxAgeMs, runtime),
      this.#emit,
      () => {
        const status: string = OpenFeature.getClient(domain).providerStatus;
        return status === 'READY';
      },
      runtime,
    );
    this.#source = reconciler;
    this.#sender?.listen();
    const { targetingKey } = context;
    const isUsable =
      isValues(bootstrap) && (bootstrap.targetingKey ?? targetingKey) === targetingKey;
    if (isUsable && this.#firstSubject === subject) {
      reconciler.start(context, bootstrap);
      // Makes the provider ready before the first paint. The SDK does not listen yet, so handlers run once.
      return this.#emit(ProviderEvents.Ready);
    }
    if (bootstrap && !isUsable)
      this.warn('"bootstrap" has no effect: pass "toBootstrap" of the context of the page');
    await reconciler.reconcile(context).finally(() => this.#sender?.events.release());
  }

  readonly #emit: Emit = (event, details) => {
    if (details?.message) this.warn(`the values may be out of date: ${details.message}`);
    this.#sender?.events.release();
    this.events.emit(event, details);
  };

  /** The SDK has no accessor for the logger that `OpenFeature.setLogger` has set. */
  protected warn(message: string): void {
    const logger: Logger = this.#options.logger ?? OpenFeature['_logger'];
    logger.warn(`Pennon: ${message}`);
  }

  /** Must not throw before it returns its promise: the SDK would lose count of context changes. */
  async onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    await this.#source?.reconcile(context);
  }

  async onClose(): Promise<void> {
    this.#source?.close();
    this.#source = undefined;
    this.#isClosed = true;
    await this.#sender?.close();
  }

  /**
   * Sends an event that a metric measures, such as a purchase. Never throws. Works before the provider is ready, if it
   * is called directly and not by a client of OpenFeature.
   */
  track(name: string, context: EvaluationContext = {}, details: TrackingEventDetails = {}): void {
    this.#sender?.events.track(name, context, details);
  }

  /** Sends exposures and tracking events at once. Resolves to whether the server has accepted all within 2 s. */
  async flush(): Promise<boolean> {
    return (await this.#sender?.events.flush()) ?? true;
  }

  /** Replaces the flags of the option `flags`, and emits which have changed. */
  setFlags(flags: LocalFlags): void {
    if (!this.#local) return fail('"setFlags" requires the option "flags"');
    this.#local.setFlags?.(flags);
  }

  /**
   * Requests the values at once. Resolves to true when they are current, or to false if that takes longer than
   * `timeoutMs`, 2,000 by default, and on a hidden page, which follows nothing.
   */
  async refresh(options: RefreshOptions = {}): Promise<boolean> {
    const timeoutMs = refreshTimeout(options);
    return (await this.#source?.refresh(timeoutMs)) ?? false;
  }

  /** Returns how current the values are, their source and the last error. */
  freshness(): Freshness {
    return this.#source?.freshness() ?? NOT_STARTED;
  }

  #resolve<Type extends keyof ValueTypes, Value extends ValueTypes[Type]>(
    flagKey: string,
    type: Type,
    defaultValue: Value,
    context: EvaluationContext | undefined,
  ): ResolutionDetails<Value> {
    const source = this.#source;
    const sender = this.#sender;
    source?.noticePause();
    const details = resolve(
      source?.values(),
      source?.isRestored(),
      flagKey,
      type,
      defaultValue,
      (ruleId, variant) => sender?.events.expose(flagKey, ruleId, variant, context),
    );
    sender?.usage.count(flagKey, details);
    return details;
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
  // With a host in lower case, and without a default port and final slashes.
  url: new URL(url).href.replace(/\/+$/, ''),
  key,
  headers: headersOf(headers),
  stream,
  pollIntervalMs,
});

/** The error of the runtime may have the value of a header, which may be secret. */
const headersOf = (headers: OnlineOptions['headers']) => {
  try {
    return Object.fromEntries(new Headers(headers));
  } catch {
    return fail('"headers" must be ASCII text by name');
  }
};

const storageOf = ({ storage = browserStorage('localStorage') }: OnlineOptions) =>
  storage ?? undefined;
