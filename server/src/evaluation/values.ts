import type { Evaluations } from '@pennon/engine';
import { evaluateAll } from '@pennon/engine';
import type { Evaluation, EvaluationContext } from '@pennon/schema';

import type { FlagSetStep, FlagSetView } from '../flag-set/live-flag-set.ts';
import { mayKnow } from './evaluate.ts';

/** Evaluated values of one context: all at first, and then what a change made of them. */
export type ValuesMessage =
  | { readonly event: 'values'; readonly id: string; readonly data: ValuesData<Evaluation> }
  | { readonly event: 'change'; readonly id: string; readonly data: ValuesData<Evaluation | null> };

type ValuesData<Value> = {
  readonly revision: number;
  readonly evaluations: Readonly<Record<string, Value>>;
};

/** Follows one context: what to tell at first, and after a step; undefined where nothing changed for it. */
export type ValuesOf = {
  first(view: FlagSetView): ValuesMessage;
  next(step: FlagSetStep): ValuesMessage | undefined;
};

/**
 * `visibleOnly` hides flags that are not `clientVisible`: they come and go like flags that do not exist.
 *
 * A reader keeps no answers, only the view of its last step, which all readers share: the same question
 * to that view has the same answer for ever. So thousands of readers of thousands of flags cost nothing,
 * and a change costs each of them only the flags that it affects.
 */
export const createValues = (context: EvaluationContext, visibleOnly: boolean): ValuesOf => {
  const answersOf = (view: FlagSetView, keys: readonly string[]) =>
    evaluateAll(
      view.compiled,
      context,
      keys.filter(key => mayKnow(view, visibleOnly, key)),
    );
  let told: FlagSetView | undefined;

  return {
    first(view) {
      told = view;
      const { id, revision } = view.flagSet;
      const evaluations = answersOf(view, Object.keys(view.flagSet.flags));
      return { event: 'values', id, data: { revision, evaluations } };
    },
    next({ view, ...step }) {
      const before = told ?? view;
      told = view;
      const keys = step.type === 'set' ? keysOfEither(before, view) : [...step.affected];
      const evaluations = changesBetween(answersOf(before, keys), answersOf(view, keys));
      if (Object.keys(evaluations).length === 0) return undefined;
      const { id, revision } = view.flagSet;
      return { event: 'change', id, data: { revision, evaluations } };
    },
  };
};

const keysOfEither = (before: FlagSetView, after: FlagSetView): readonly string[] => [
  ...new Set([before, after].flatMap(({ flagSet }) => Object.keys(flagSet.flags))),
];

const changesBetween = (
  before: Evaluations,
  after: Evaluations,
): Record<string, Evaluation | null> => {
  const changes: [string, Evaluation | null][] = [];
  for (const [key, answer] of Object.entries(after))
    if (!same(before[key], answer)) changes.push([key, answer]);
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) changes.push([key, null]);
  return Object.fromEntries(changes);
};

/** Answers are frozen and made at compile, so an untouched flag's answer is mostly the same object. */
const same = (a: Evaluation | undefined, b: Evaluation): boolean =>
  a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b));
