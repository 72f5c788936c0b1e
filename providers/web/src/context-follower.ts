import type { EvaluationContext } from '@openfeature/web-sdk';
import type { Follower, Status, Values, Runtime } from '@pennon/sync';
import { followValues } from '@pennon/sync';

import type { Known } from './value-store.ts';
import type { PageNews } from './page.ts';
import type { Evaluation } from './resolve.ts';

/** Where the server is, who asks, and how it is followed. */
export type Where = {
  readonly url: string;
  readonly key: string;
  readonly stream?: boolean | undefined;
  readonly pollIntervalMs?: number | undefined;
};

/** Follows the context of the moment: each by a follower of its own, and none while nobody looks. */
export type Pursuit = PageNews & {
  readonly context: () => EvaluationContext;
  readonly status: () => Status | undefined;
  /** Another context from now on. Throws where it cannot be sent. */
  readonly turnTo: (context: EvaluationContext) => void;
  /** Its first values are there: a page that nobody looks at needs no more. */
  readonly rest: () => void;
  readonly stop: () => void;
};

type Parts = {
  readonly following: Where;
  readonly known: Known;
  readonly world: Runtime;
  readonly onData: (values: Values<Evaluation>, changed: string[] | undefined) => void;
  readonly onStatus: (status: Status) => void;
};

export const createPursuit = ({ following, known, world, ...listening }: Parts): Pursuit => {
  let context: EvaluationContext = {};
  let follower: Follower<Values<Evaluation>> | undefined;
  let asleep = false;

  const stop = () => follower?.stop();
  const follow = () => {
    known.confirm(follower?.status().dataAgeMs);
    stop();
    const initial = known.of(subjectOf(context));
    follower = followValues({ ...following, ...listening, context, initial }, world);
  };

  return {
    context: () => context,
    status: () => follower?.status(),
    turnTo(next) {
      context = next;
      follow();
    },
    rest() {
      if (asleep) stop();
    },
    sleep() {
      asleep = true;
      stop();
    },
    wake() {
      if (asleep) follow();
      asleep = false;
    },
    askAnew() {
      if (!asleep) follow();
    },
    stop,
  };
};

/** Whom a context is about, as a text that is equal for the same subject only. */
export const subjectOf = ({ targetingKey = '' }: EvaluationContext): string =>
  JSON.stringify(targetingKey);
