import type { EvaluationContext } from '@openfeature/web-sdk';
import { GeneralError, ProviderFatalError } from '@openfeature/web-sdk';
import type { Follower, Status, Values, World } from '@pennon/follow';
import { changedNames, followValues, isRefusal } from '@pennon/follow';

import type { Copy } from './copy.ts';
import { watchPage } from './page.ts';
import type { Evaluation } from './resolve.ts';

type Known = Values<Evaluation>;

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
  readonly copy: Copy;
  readonly news: LiveNews;
  readonly world: World;
};

/** How current the values are, and why. `storage` and `bootstrap`: the server has not answered yet. */
export type Freshness = Omit<Status, 'source'> & {
  readonly source: Status['source'] | 'storage' | 'bootstrap';
};

/** The values of the context of the moment, kept current while somebody looks at the page. */
export type Live = {
  values(): Known | undefined;
  freshness(): Freshness | undefined;
  /** The values of the first context, from whoever rendered the page. */
  begin(context: EvaluationContext, given: Known): void;
  /**
   * Follows another context. Resolves when its values are there, or else those that were last known of its
   * subject; rejects where none are. Where yet another context comes meanwhile, that one decides for both.
   */
  reconcile(context: EvaluationContext): Promise<void>;
  close(): void;
};

export const createLive = ({ following, timeoutMs, copy, news, world }: LiveParts): Live => {
  const closing = new AbortController();
  let context: EvaluationContext | undefined;
  let known: Known | undefined;
  /** When, and from where if not from the server. */
  let knownAt = 0;
  let knownFrom: 'storage' | 'bootstrap' | undefined;
  /** Whose values are known. */
  let owner: string | undefined;
  let follower: Follower<Known> | undefined;
  let asleep = false;
  /** Nothing current is known, and whoever listens was told so. */
  let behind = false;
  let turns = 0;
  let lastTurn = Promise.resolve();
  /** Ends the wait for the values of the context that is being reconciled. */
  let enough: (() => void) | undefined;

  const learn = (next: Known) => {
    const flagsChanged = changedNames(known?.evaluations ?? {}, next.evaluations);
    known = next;
    knownFrom = undefined;
    copy.write((owner = subjectOf(context)), next);
    if (enough === undefined && flagsChanged.length > 0) news.changed(flagsChanged);
  };

  const look = (status: Status) => {
    if (isCurrent(status)) catchUp();
    else if (status.mode === 'disconnected') fallBehind();
  };

  const catchUp = () => {
    if (enough !== undefined) return enough();
    if (!behind) return;
    behind = false;
    news.ready();
  };

  const fallBehind = () => {
    if (enough !== undefined) return enough();
    if (behind) return;
    behind = true;
    news.stale(explain(follower));
  };

  const follow = () => {
    if (context === undefined) return;
    knownAt = world.now() - (freshness()?.dataAgeMs ?? 0);
    follower?.stop();
    follower = followValues<Evaluation>(
      {
        ...following,
        context,
        initial:
          known !== undefined && owner === subjectOf(context)
            ? { data: known, at: knownAt }
            : undefined,
        onData: learn,
        onStatus: look,
      },
      world,
    );
  };

  const reconcile = async (next: EvaluationContext): Promise<void> => {
    if (enough === undefined && isCurrent(follower?.status()) && isSame(next, context)) return;
    const turn = ++turns;
    enough?.();
    context = next;
    follow();
    await new Promise<void>(resolve => {
      const cancel = world.after(timeoutMs, resolve);
      enough = () => {
        cancel();
        resolve();
      };
    });
    if (turn !== turns) return lastTurn;
    enough = undefined;
    behind = !isCurrent(follower?.status());
    if (asleep) follower?.stop();
    if (behind) makeDo();
  };

  /** With what was last known of the subject. */
  const makeDo = () => {
    const subject = subjectOf(context);
    if (owner !== subject) {
      const kept = copy.read(subject);
      known = kept?.values;
      knownAt = kept?.at ?? 0;
      knownFrom = 'storage';
    }
    owner = subject;
    if (known === undefined) throw failure(follower);
    // The SDK calls the provider ready when the promise resolves, so what it is comes after that.
    world.after(0, () => {
      if (behind && !closing.signal.aborted) news.stale(explain(follower));
    });
  };

  const freshness = (): Freshness | undefined => {
    const status = follower?.status();
    if (status === undefined || known === undefined || knownFrom === undefined) return status;
    const { revision } = known;
    return { ...status, revision, source: knownFrom, dataAgeMs: world.now() - knownAt };
  };

  watchPage(
    world.after,
    {
      sleep() {
        asleep = true;
        follower?.stop();
      },
      wake() {
        if (!asleep) return;
        asleep = false;
        follow();
      },
      askAnew() {
        if (!asleep) follow();
      },
    },
    closing.signal,
  );

  return {
    values: () => known,
    freshness,
    begin(first, given) {
      context = first;
      owner = subjectOf(first);
      known = given;
      knownAt = world.now();
      knownFrom = 'bootstrap';
      follow();
    },
    reconcile: next => (lastTurn = reconcile(next)),
    close() {
      closing.abort();
      follower?.stop();
    },
  };
};

/** Whom a context is about, as a text that is equal for the same subject only. */
const subjectOf = (context: EvaluationContext | undefined): string =>
  JSON.stringify(context?.targetingKey ?? null);

/** Pages often set the context anew as it was. */
const isSame = (a: EvaluationContext, b: EvaluationContext | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

const isCurrent = (status: Status | undefined): boolean =>
  status?.mode === 'streaming' || status?.mode === 'polling';

type Any = { status(): Status };

const explain = (follower: Any | undefined): string =>
  follower?.status().lastError?.message ?? 'the server did not answer in time';

/** A refused key stays refused; anything else may pass. */
const failure = (follower: Any | undefined): Error => {
  const error = follower?.status().lastError;
  return error !== undefined && isRefusal(error)
    ? new ProviderFatalError(explain(follower))
    : new GeneralError(explain(follower));
};
