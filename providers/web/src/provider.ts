import type {
  EvaluationContext,
  JsonValue,
  Provider,
  ResolutionDetails,
} from '@openfeature/web-sdk';
import { OpenFeatureEventEmitter, ProviderEvents } from '@openfeature/web-sdk';
import type { Values, Runtime } from '@pennon/sync';
import { NOT_STARTED, defaultRuntime } from '@pennon/sync';

import type { Keeper } from './persistence.ts';
import { createCopy, isValues, localKeeper } from './persistence.ts';
import type { Freshness, Known } from './value-store.ts';
import { createKnown } from './value-store.ts';
import type { Live } from './reconciler.ts';
import { createLive } from './reconciler.ts';
import type { Evaluation } from './resolve.ts';
import { resolve } from './resolve.ts';

export type PennonWebProviderOptions = {
  /** Where the server listens, such as `https://flags.example.com`. */
  readonly url: string;
  /** A key with the role `client`: it may be public, and sees only flags that are `clientVisible`. */
  readonly key: string;
  /**
   * What `POST /api/v1/evaluations` answered for the first context, put into the page by the server that
   * rendered it. The provider is ready with these at once. Null, or no such answer: as if there were none.
   */
  readonly bootstrap?: Values<Evaluation> | null | undefined;
  /** How long the first values, and those of a new context, are waited for; 2,000 by default. */
  readonly initTimeoutMs?: number | undefined;
  /** Where the last values are kept; `localStorage` by default, null for nowhere. */
  readonly storage?: Keeper | null | undefined;
  /** Values that were kept for longer are not used. By default they never expire. */
  readonly storageMaxAgeMs?: number | undefined;
  /** False: no stream, only polls. */
  readonly stream?: boolean | undefined;
  /** Between polls while there is no stream; 30,000 by default. */
  readonly pollIntervalMs?: number | undefined;
};

const INIT_TIMEOUT_MS = 2_000;

/**
 * From version 0.9 on, the specification wants READY from `initialize` itself (2.8). The SDKs of today say
 * it on its behalf, and would run their handlers twice.
 */
const SAYS_HOW_IT_STARTED: boolean = false;

/**
 * Resolves flags in a page from values that the server has evaluated for its context, and follows them live.
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
  readonly #world: Runtime;
  #known: Known | undefined;
  #live: Live | undefined;

  constructor(options: PennonWebProviderOptions, world: Runtime = defaultRuntime) {
    checkOptions(options);
    this.#options = options;
    this.#world = world;
  }

  async initialize(context: EvaluationContext = {}): Promise<void> {
    const { bootstrap } = this.#options;
    this.#live?.close();
    this.#known = knownOf(this.#options, this.#world);
    this.#live = startLive(this.#options, this.#world, this.#known, this.events);
    if (!isValues(bootstrap)) {
      await this.#live.reconcile(context);
      if (SAYS_HOW_IT_STARTED) this.events.emit(ProviderEvents.Ready);
      return;
    }
    this.#live.begin(context, bootstrap);
    // Makes the provider ready before anything is painted. Nobody listens yet, so nobody is told twice.
    this.events.emit(ProviderEvents.Ready);
  }

  /** Must never throw before it returns its promise: the SDK would not count a change of context again. */
  async onContextChange(_: EvaluationContext, context: EvaluationContext): Promise<void> {
    await this.#live?.reconcile(context);
  }

  async onClose(): Promise<void> {
    this.#live?.close();
    this.#known = undefined;
    this.#live = undefined;
  }

  /** How current the values are, and why. */
  freshness(): Freshness {
    return this.#live?.freshness() ?? NOT_STARTED;
  }

  resolveBooleanEvaluation(flagKey: string, defaultValue: boolean): ResolutionDetails<boolean> {
    return resolve(this.#known?.values()?.evaluations, flagKey, 'boolean', defaultValue);
  }

  resolveStringEvaluation(flagKey: string, defaultValue: string): ResolutionDetails<string> {
    return resolve(this.#known?.values()?.evaluations, flagKey, 'string', defaultValue);
  }

  resolveNumberEvaluation(flagKey: string, defaultValue: number): ResolutionDetails<number> {
    return resolve(this.#known?.values()?.evaluations, flagKey, 'number', defaultValue);
  }

  resolveObjectEvaluation<T extends JsonValue>(
    flagKey: string,
    defaultValue: T,
  ): ResolutionDetails<T> {
    return resolve(this.#known?.values()?.evaluations, flagKey, 'object', defaultValue);
  }
}

/** Refuses what can never work, such as a setting that the build of the page did not fill in. */
const checkOptions = ({ url, key }: PennonWebProviderOptions): void => {
  if (typeof url !== 'string') {
    throw new TypeError('PennonWebProvider: "url" must be the address of a server');
  }
  if (typeof key !== 'string' || !/^[!-~]+$/.test(key)) {
    throw new TypeError('PennonWebProvider: "key" must be an API key');
  }
};

const knownOf = (
  { url, key, storage = localKeeper(), storageMaxAgeMs = Infinity }: PennonWebProviderOptions,
  { now }: Runtime,
): Known => {
  const keeper = storage ?? undefined;
  return createKnown(createCopy({ url, key, keeper, maxAgeMs: storageMaxAgeMs, now }), now);
};

const startLive = (
  { url, key, stream, pollIntervalMs, initTimeoutMs = INIT_TIMEOUT_MS }: PennonWebProviderOptions,
  world: Runtime,
  known: Known,
  events: OpenFeatureEventEmitter,
): Live =>
  createLive({
    following: { url, key, stream, pollIntervalMs },
    timeoutMs: initTimeoutMs,
    known,
    news: {
      changed: flagsChanged => events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged }),
      stale: message => events.emit(ProviderEvents.Stale, { message }),
      ready: () => events.emit(ProviderEvents.Ready),
    },
    world,
  });
