import type { EvaluationContext } from '@openfeature/web-sdk';
import { GeneralError, ProviderFatalError } from '@openfeature/web-sdk';
import type { Follower, Status, Values, World } from '@pennon/follow';
import { followValues, isRefusal } from '@pennon/follow';

import type { Freshness, Known } from './known.ts';
import { watchPage } from './page.ts';
import type { Evaluation } from './resolve.ts';
import { createWait } from './wait.ts';

/** What happens while no context is being reconciled: of that, the promise tells. */
export type LiveNews = {
  changed(flagsChanged: string[]): void;
  /** The values may be out of date. */
  stale(message: string): void;
  /** They are current again. */
  ready(): void;
};

export type LiveParts = {
  /** Where the server is, who asks, and how it is followed. */
  readonly following: {
    readonly url: string;
    readonly key: string;
    readonly stream?: boolean | undefined;
    readonly pollIntervalMs?: number | undefined;
  };
  /** How long a context waits for its values at the most. */
  readonly timeoutMs: number;
  readonly known: Known;
  readonly news: LiveNews;
  readonly world: World;
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
  let context: EvaluationContext = {};
  let follower: Follower<Values<Evaluation>> | undefined;
  let asleep = false;
  let turns = 0;
  let lastTurn = Promise.resolve();
  /** For the values of the context that is being reconciled. */
  const wait = createWait(world.after, timeoutMs);
  const word = createWord(news, () => explain(follower));

  const follow = () => {
    const subject = subjectOf(context);
    known.confirm(follower?.status().dataAgeMs);
    follower?.stop();
    follower = followValues<Evaluation>(
      { ...following, context, initial: known.of(subject), onData: learn, onStatus: look },
      world,
    );
  };

  const learn = (values: Values<Evaluation>) => {
    const flagsChanged = known.learn(subjectOf(context), values);
    if (!wait.isOn() && flagsChanged.length > 0) news.changed(flagsChanged);
  };

  const look = (status: Status) => {
    if (!isCurrent(status) && status.mode !== 'disconnected') return;
    if (wait.isOn()) wait.end();
    else word.give(!isCurrent(status));
  };

  const reconcile = async (next: EvaluationContext): Promise<void> => {
    if (!wait.isOn() && isCurrent(follower?.status()) && isSame(next, context)) return;
    const turn = ++turns;
    wait.end();
    context = next;
    try {
      follow();
    } catch (error) {
      // It cannot be sent. All the same, its subject is not served the values of another.
      wait.over();
      known.recall(subjectOf(next));
      throw error;
    }
    // Until they are there, or it is known or to be assumed that they will not be.
    await wait.begin();
    if (turn !== turns) return lastTurn;
    wait.over();
    word.start(!isCurrent(follower?.status()));
    if (asleep) follower?.stop();
    if (word.isBehind()) makeDo();
  };

  const makeDo = () => {
    if (!known.recall(subjectOf(context))) throw failure(follower);
    // The SDK calls the provider ready when the promise resolves, so what it is comes after that.
    world.after(0, () => {
      if (word.isBehind() && !closing.signal.aborted) news.stale(explain(follower));
    });
  };

  watchPage(
    world.after,
    {
      sleep() {
        asleep = true;
        follower?.stop();
      },
      wake() {
        if (asleep) follow();
        asleep = false;
      },
      askAnew() {
        if (!asleep) follow();
      },
    },
    closing.signal,
  );

  return {
    freshness: () => follower && known.freshness(follower.status()),
    begin(first, given) {
      known.bring(subjectOf(first), given);
      context = first;
      follow();
    },
    reconcile: next => (lastTurn = reconcile(next)),
    close() {
      closing.abort();
      wait.end();
      follower?.stop();
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

/** Whom a context is about, as a text that is equal for the same subject only. */
const subjectOf = ({ targetingKey = '' }: EvaluationContext): string =>
  JSON.stringify(targetingKey);

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

type Asked = { status(): Status } | undefined;

const explain = (follower: Asked): string =>
  follower?.status().lastError?.message ?? 'the server did not answer in time';

/** A refused key stays refused; anything else may pass. */
const failure = (follower: Asked): Error => {
  const error = follower?.status().lastError;
  return error !== undefined && isRefusal(error)
    ? new ProviderFatalError(explain(follower))
    : new GeneralError(explain(follower));
};
