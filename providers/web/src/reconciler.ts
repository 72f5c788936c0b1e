import type { EvaluationContext } from '@openfeature/web-sdk';
import { GeneralError, ProviderFatalError } from '@openfeature/web-sdk';
import type { Status, Values, Runtime } from '@pennon/sync';
import { isAuthError } from '@pennon/sync';

import type { Freshness, Known } from './value-store.ts';
import { watchPage } from './page.ts';
import { createPursuit, subjectOf } from './context-follower.ts';
import type { Where } from './context-follower.ts';
import type { Evaluation } from './resolve.ts';
import { createWait } from './deferred.ts';

/** What happens while no context is being reconciled: of that, the promise tells. */
export type LiveNews = {
  changed(flagsChanged: string[]): void;
  /** The values may be out of date. */
  stale(message: string): void;
  /** They are current again. */
  ready(): void;
};

export type LiveParts = {
  readonly following: Where;
  /** How long a context waits for its values at the most. */
  readonly timeoutMs: number;
  readonly known: Known;
  readonly news: LiveNews;
  readonly world: Runtime;
};

/** Keeps the values of the context of the moment current, while somebody looks at the page. */
export type Live = {
  freshness(): Freshness | undefined;
  /** Follows the first context from the values that whoever rendered the page has brought. */
  begin(context: EvaluationContext, given: Values<Evaluation>): void;
  /**
   * Follows another context. Resolves when its values are there, or else those that were last known of its
   * subject; rejects where none are. Where yet another context comes meanwhile, that one decides for both.
   */
  reconcile(context: EvaluationContext): Promise<void>;
  close(): void;
};

export const createLive = ({ following, timeoutMs, known, news, world }: LiveParts): Live => {
  const closing = new AbortController();
  let turns = 0;
  let lastTurn = Promise.resolve();
  /** For the values of the context that is being reconciled. */
  const wait = createWait(world.setTimer, timeoutMs);
  const word = createWord(news, () => explain(pursuit.status()));

  const learn = (values: Values<Evaluation>, changed: string[] | undefined) => {
    const flagsChanged = known.learn(subjectOf(pursuit.context()), values, changed);
    if (!wait.isOn() && flagsChanged.length > 0) news.changed(flagsChanged);
  };

  const look = (status: Status) => {
    if (!isCurrent(status) && status.mode !== 'disconnected') return;
    if (wait.isOn()) wait.end();
    else word.give(!isCurrent(status));
  };

  const pursuit = createPursuit({ following, known, world, onData: learn, onStatus: look });
  watchPage(world.setTimer, pursuit, closing.signal);

  /** One that cannot be sent throws. All the same, its subject is not served the values of another. */
  const turnTo = (context: EvaluationContext) => {
    try {
      pursuit.turnTo(context);
    } catch (error) {
      wait.over();
      known.recall(subjectOf(context));
      throw error;
    }
  };

  const isUpToDate = (context: EvaluationContext): boolean =>
    !wait.isOn() && isCurrent(pursuit.status()) && isSame(context, pursuit.context());

  const reconcile = async (context: EvaluationContext): Promise<void> => {
    if (isUpToDate(context)) return;
    const turn = ++turns;
    wait.end();
    turnTo(context);
    // Until they are there, or it is known or to be assumed that they will not be.
    await wait.begin();
    if (turn !== turns) return lastTurn;
    wait.over();
    word.start(!isCurrent(pursuit.status()));
    pursuit.rest();
    if (word.isBehind()) makeDo();
  };

  const makeDo = () => {
    if (!known.recall(subjectOf(pursuit.context()))) throw failure(pursuit.status());
    // The SDK calls the provider ready when the promise resolves, so what it is comes after that.
    world.setTimer(0, () => {
      if (word.isBehind() && !closing.signal.aborted) news.stale(explain(pursuit.status()));
    });
  };

  return {
    freshness() {
      const status = pursuit.status();
      return status && known.freshness(status);
    },
    begin(first, given) {
      known.bring(subjectOf(first), given);
      pursuit.turnTo(first);
    },
    reconcile: next => (lastTurn = reconcile(next)),
    close() {
      closing.abort();
      wait.end();
      pursuit.stop();
    },
  };
};

/** Says STALE and READY in turns, each once. */
const createWord = (news: LiveNews, why: () => string) => {
  /** Nothing current is known, and whoever listens was told so. */
  let behind = false;
  return {
    isBehind: () => behind,
    /** What the SDK says itself, at the end of a reconciliation. */
    start(isBehind: boolean) {
      behind = isBehind;
    },
    give(isBehind: boolean) {
      if (behind === isBehind) return;
      behind = isBehind;
      if (isBehind) news.stale(why());
      else news.ready();
    },
  };
};

/** Pages often set the context anew as it was. One that cannot be JSON is like none. */
const isSame = (a: EvaluationContext, b: EvaluationContext): boolean => {
  try {
    return JSON.stringify(a) === JSON.stringify(b);
  } catch {
    return false;
  }
};

const isCurrent = (status: Status | undefined): boolean =>
  status?.mode === 'streaming' || status?.mode === 'polling';

const explain = (status: Status | undefined): string =>
  status?.lastError?.message ?? 'the server did not answer in time';

/** A refused key stays refused; anything else may pass. */
const failure = (status: Status | undefined): Error =>
  status?.lastError !== undefined && isAuthError(status.lastError)
    ? new ProviderFatalError(explain(status))
    : new GeneralError(explain(status));
