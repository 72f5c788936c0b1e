import type {
  EvaluationContext,
  JsonValue,
  Provider,
  ResolutionDetails,
} from '@openfeature/web-sdk';
import { OpenFeatureEventEmitter, ProviderEvents } from '@openfeature/web-sdk';
import type { Runtime, Values } from '@pennon/sync';
import { NOT_STARTED, defaultRuntime } from '@pennon/sync';

import type { ValueStorage } from './persistence.ts';
import { browserStorage, createPersistence, isValues } from './persistence.ts';
import type { Reconciler } from './reconciler.ts';
import { createReconciler } from './reconciler.ts';
import type { Evaluation } from './resolution.ts';
import { resolve } from './resolution.ts';
import type { Freshness, ValueStore } from './value-store.ts';
import { createValueStore } from './value-store.ts';

export type PennonWebProviderOptions = {
  /** The URL of the server, such as `https://flags.example.com`. */
  readonly url: string;
  /** A key with the role `client`. It may be public, and can read only flags that are `clientVisible`. */
  readonly key: string;
  /**
   * The response of `POST /api/v1/evaluations` for the first context, which a server put into the page. The
   * provider is ready with these values at once. Ignored if it is null or has another shape.
   */
  readonly bootstrap?: Values<Evaluation> | null | undefined;
  /** How long to wait for the first values, and for those of a new context; 2,000 by default. */
  readonly initTimeoutMs?: number | undefined;
  /** Where to store the last values: `localStorage` by default, or nowhere if null. */
  readonly storage?: ValueStorage | null | undefined;
  /** Stored values that are older are not used. By default they never expire. */
  readonly storageMaxAgeMs?: number | undefined;
  /** If false, the provider only polls. */
  readonly stream?: boolean | undefined;
  /** The time between polls while there is no stream; 30,000 by default. */
  readonly pollIntervalMs?: number | undefined;
};

const INIT_TIMEOUT_MS = 2_000;

/**
 * Version 0.9 of the OpenFeature specification makes `initialize` responsible for READY (2.8). Current SDKs emit
 * it themselves, so a second one would run every handler twice.
 */
const EMITS_READY_ITSELF: boolean = false;

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
  readonly events = new OpenFeatureEventEmitter();
  readonly #options: PennonWebProviderOptions;
  readonly #runtime: Runtime;
  #store: ValueStore | undefined;
  #reconciler: Reconciler | undefined;

  constructor(options: PennonWebProviderOptions, runtime: Runtime = defaultRuntime) {
    checkOptions(options);
    this.#options = options;
    this.#runtime = runtime;
  }

  async initialize(context: EvaluationContext = {}): Promise<void> {
    const { bootstrap } = this.#options;
    this.#reconciler?.close();
    this.#store = openStore(this.#options, this.#runtime);
    this.#reconciler = openReconciler(this.#options, this.#runtime, this.#store, this.events);
    if (!isValues(bootstrap)) {
      await this.#reconciler.reconcile(context);
      if (EMITS_READY_ITSELF) this.events.emit(ProviderEvents.Ready);
      return;
    }
    this.#reconciler.start(context, bootstrap);
    // Makes the provider ready before the first paint. The SDK does not listen yet, so handlers run once.
    this.events.emit(ProviderEvents.Ready);
  }

  /** Must not throw before it returns its promise: the SDK would lose count of context changes. */
  async onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    await this.#reconciler?.reconcile(context);
  }

  async onClose(): Promise<void> {
    this.#reconciler?.close();
    this.#store = undefined;
    this.#reconciler = undefined;
  }

  /** Returns how current the values are, their source and the last error. */
  freshness(): Freshness {
    return this.#reconciler?.freshness() ?? NOT_STARTED;
  }

  resolveBooleanEvaluation(flagKey: string, defaultValue: boolean): ResolutionDetails<boolean> {
    return resolve(this.#store?.values()?.evaluations, flagKey, 'boolean', defaultValue);
  }

  resolveStringEvaluation(flagKey: string, defaultValue: string): ResolutionDetails<string> {
    return resolve(this.#store?.values()?.evaluations, flagKey, 'string', defaultValue);
  }

  resolveNumberEvaluation(flagKey: string, defaultValue: number): ResolutionDetails<number> {
    return resolve(this.#store?.values()?.evaluations, flagKey, 'number', defaultValue);
  }

  resolveObjectEvaluation<T extends JsonValue>(
    flagKey: string,
    defaultValue: T,
  ): ResolutionDetails<T> {
    return resolve(this.#store?.values()?.evaluations, flagKey, 'object', defaultValue);
  }
}

/** Rejects options that can never work, such as a setting that the build of the page did not fill in. */
const checkOptions = ({ url, key }: PennonWebProviderOptions): void => {
  if (typeof url !== 'string') {
    throw new TypeError('PennonWebProvider: "url" must be the URL of a server');
  }
  if (typeof key !== 'string' || !/^[!-~]+$/.test(key)) {
    throw new TypeError('PennonWebProvider: "key" must be an API key');
  }
};

const openStore = (
  { url, key, storage = browserStorage(), storageMaxAgeMs = Infinity }: PennonWebProviderOptions,
  { now }: Runtime,
): ValueStore =>
  createValueStore(
    createPersistence({ url, key, storage: storage ?? undefined, maxAgeMs: storageMaxAgeMs, now }),
    now,
  );

const openReconciler = (
  { url, key, stream, pollIntervalMs, initTimeoutMs = INIT_TIMEOUT_MS }: PennonWebProviderOptions,
  runtime: Runtime,
  store: ValueStore,
  events: OpenFeatureEventEmitter,
): Reconciler =>
  createReconciler({
    server: { url, key, stream, pollIntervalMs },
    timeoutMs: initTimeoutMs,
    store,
    events: {
      changed: flagsChanged => events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged }),
      stale: message => events.emit(ProviderEvents.Stale, { message }),
      ready: () => events.emit(ProviderEvents.Ready),
    },
    runtime,
  });
