import { ErrorCode, OpenFeatureEventEmitter, ProviderEvents } from '@openfeature/server-sdk';
import type {
  EvaluationContext,
  JsonValue,
  Provider,
  ResolutionDetails,
} from '@openfeature/server-sdk';
import { LONGEST_TIMER_MS, NOT_STARTED, defaultRuntime } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';

import { unavailable } from './answer.ts';
import type { Answer } from './answer.ts';
import { plainContext } from './context.ts';
import type { Freshness } from './feed.ts';
import { checkOptions, isOffline } from './options.ts';
import type { PennonProviderOptions } from './options.ts';
import { BOOLEAN, NUMBER, objectOf, resolutionOf, STRING } from './resolution.ts';
import type { Wanted } from './resolution.ts';
import { NO_FLAGS, openSession } from './session.ts';
import type { Session } from './session.ts';
import type { News } from './stage.ts';
import type { View } from './view.ts';

/**
 * From version 0.9 on, the specification wants READY and ERROR from `initialize` itself (2.8). The SDKs of
 * today say them on its behalf, and would run their handlers twice.
 */
const SAYS_HOW_IT_STARTED: boolean = false;

/** Flags that do not change while they are read: all of one revision. */
export type Snapshot = {
  readonly revision: number | undefined;
  evaluate(flagKey: string, context?: EvaluationContext): Answer;
  /** What every flag answers, by its key. */
  evaluateAll(context?: EvaluationContext): Readonly<Record<string, Answer>>;
};

const snapshotOf = (view: View | undefined): Snapshot => ({
  revision: view?.revision,
  evaluate: (flagKey, context) =>
    view?.evaluate(flagKey, plainContext(context)) ??
    unavailable(flagKey, 'PROVIDER_NOT_READY', NO_FLAGS),
  evaluateAll: context => view?.evaluateAll(plainContext(context)) ?? {},
});

/** A file is looked at for as long as the process has something else to do. */
const idleWorld: Runtime = {
  ...defaultRuntime,
  setTimer(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMER_MS)).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * OpenFeature for Node: evaluates in this process on flags that follow a server or a file, or asks the
 * server.
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
  readonly #world: Runtime;
  #session: Session | undefined;

  /** `world` is for tests: time, chance and the network. */
  constructor(options: PennonProviderOptions, world: Partial<Runtime> = {}) {
    checkOptions(options);
    this.#options = options;
    this.#world = { ...(isOffline(options) ? idleWorld : defaultRuntime), ...world };
  }

  /** Resolves when there are flags to decide with, and rejects where none came in time; it goes on trying. */
  async initialize(): Promise<void> {
    this.#session ??= openSession(this.#options, this.#world, this.#news);
    const { started } = this.#session;
    if (SAYS_HOW_IT_STARTED) {
      const { ready, error } = this.#news;
      await started.then(ready, (thrown: unknown) => error(String(thrown)));
    }
    await started;
  }

  /** Leaves no timer and no connection. The provider may be initialized again. */
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
    return this.#resolve(flagKey, objectOf<T>(), defaultValue, context);
  }

  /**
   * What a flag answers on the flags of this moment: without a promise, for loops that run hot. In remote
   * mode too it decides here, on the flags that the provider follows.
   */
  evaluate(flagKey: string, context?: EvaluationContext): Answer {
    return (
      this.#session?.view()?.evaluate(flagKey, plainContext(context)) ??
      unavailable(flagKey, 'PROVIDER_NOT_READY', NO_FLAGS)
    );
  }

  /** The flags of this moment, to read several of one revision. */
  snapshot(): Snapshot {
    return snapshotOf(this.#session?.view());
  }

  /** How current the flags are, and why. */
  freshness(): Freshness {
    return this.#session?.freshness() ?? NOT_STARTED;
  }

  readonly #news: News = {
    changed: flagsChanged =>
      this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged }),
    ready: () => this.events.emit(ProviderEvents.Ready),
    stale: message => this.events.emit(ProviderEvents.Stale, { message }),
    error: message =>
      this.events.emit(ProviderEvents.Error, { message, errorCode: ErrorCode.GENERAL }),
  };

  async #resolve<T>(
    flagKey: string,
    wanted: Wanted<T>,
    defaultValue: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    const session = this.#session;
    const answer =
      (await session?.answer(flagKey, context)) ??
      unavailable(flagKey, 'PROVIDER_NOT_READY', NO_FLAGS);
    const facts = session?.view()?.factsOf(flagKey) ?? {};
    return resolutionOf(answer, wanted, defaultValue, facts);
  }
}
