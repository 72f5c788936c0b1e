import { evaluateAll } from '@pennon/engine';
import type { Evaluation, EvaluationContext } from '@pennon/schema';

import type { FlagSetStep, FlagSetView } from '../environments/live-flag-set.ts';
import { visibleKeys } from './evaluate.ts';

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

/** `visibleOnly` hides flags that are not `clientVisible`: they come and go like flags that do not exist. */
export const createValues = (context: EvaluationContext, visibleOnly: boolean): ValuesOf => {
  let told: ReadonlyMap<string, Evaluation> = new Map();

  const all = (view: FlagSetView) =>
    new Map(Object.entries(evaluateAll(view.compiled, context, visibleKeys(view, visibleOnly))));

  return {
    first(view) {
      told = all(view);
      const { id, revision } = view.flagSet;
      return { event: 'values', id, data: { revision, evaluations: Object.fromEntries(told) } };
    },
    next({ view, ...step }) {
      const { id, revision } = view.flagSet;
      const now =
        step.type === 'set'
          ? all(view)
          : withAffected(told, view, context, visibleOnly, step.affected);
      const evaluations = changesBetween(told, now);
      told = now;
      if (Object.keys(evaluations).length === 0) return undefined;
      return { event: 'change', id, data: { revision, evaluations } };
    },
  };
};

const withAffected = (
  told: ReadonlyMap<string, Evaluation>,
  view: FlagSetView,
  context: EvaluationContext,
  visibleOnly: boolean,
  affected: ReadonlySet<string>,
): ReadonlyMap<string, Evaluation> => {
  const now = new Map(told);
  for (const key of affected) now.delete(key);
  const keys = visibleKeys(view, visibleOnly).filter(key => affected.has(key));
  for (const [key, answer] of Object.entries(evaluateAll(view.compiled, context, keys)))
    now.set(key, answer);
  return now;
};

const changesBetween = (
  before: ReadonlyMap<string, Evaluation>,
  after: ReadonlyMap<string, Evaluation>,
): Record<string, Evaluation | null> => {
  const changes: [string, Evaluation | null][] = [];
  for (const [key, answer] of after)
    if (!same(before.get(key), answer)) changes.push([key, answer]);
  for (const key of before.keys()) if (!after.has(key)) changes.push([key, null]);
  return Object.fromEntries(changes);
};

/** Answers are frozen and made at compile, so an untouched flag's answer is mostly the same object. */
const same = (a: Evaluation | undefined, b: Evaluation): boolean =>
  a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b));
