import { evaluateFound, type LazyFlag } from '@pennon/engine';
import type { Evaluation, EvaluationContext } from '@pennon/schema';

import { toByteString } from '../byte-string.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';
import { flagNotFound, isVisible, visibleKeys, type Audience } from './audience.ts';
import { isNotFound, type Counter, type CounterOf } from './counter.ts';
import { digestOf, type Digest } from './digest.ts';
import { openTextOf } from './result-text.ts';

/** The form of a result as JSON. */
export type ResultForm = {
  readonly textOf: (evaluation: Evaluation, view: FlagSetView) => string;
  /** Whether the tags for public keys are weak, because they leave out what counts edits. */
  readonly hasWeakTags: boolean;
  /** What was prepared in this form for each view. */
  readonly prepared: (view: FlagSetView) => Map<Audience, PreparedFlags>;
};

/** Returns the store of what is prepared in a form, which lasts as long as each view. */
export const createPrepared = (): ResultForm['prepared'] => once(() => new Map());

/** What a response contains of one result. */
export type Member = {
  /** A string of bytes. */
  readonly text: string;
  readonly digest: Digest;
  readonly counter: Counter;
  /** How often applications got this result by itself, once that has happened. */
  usage?: Counter;
};

/** The flags of a view that an audience sees, so that a bulk evaluation looks for nothing in maps. */
export type PreparedFlags = {
  readonly form: ResultForm;
  readonly view: FlagSetView;
  readonly audience: Audience;
  readonly counterOf: CounterOf;
  /** By results as the audience sees them. They are few, and used by many requests. */
  readonly members: WeakMap<Evaluation, Member>;
  readonly byKey: Map<string, PreparedFlag>;
  /** All of them, in the order of their keys, once they are needed. */
  all: readonly PreparedFlag[] | undefined;
};

/** One flag, with what is sent for its results. */
export type PreparedFlag = {
  readonly key: string;
  /** Undefined if the audience does not see the flag. */
  readonly flag: LazyFlag | undefined;
  /** The first results that it had, as the engine returns them. Most flags have no others. */
  readonly known: KnownResult[];
};

type KnownResult = Member & { readonly evaluation: Evaluation };

const MAX_KNOWN = 4;

/** Returns the flags that are prepared for a form, a view and an audience. */
export const preparedFlags = (
  form: ResultForm,
  { view, audience }: Pick<PreparedFlags, 'view' | 'audience'>,
  counterOf: CounterOf,
): PreparedFlags => {
  const byAudience = form.prepared(view);
  const existing = byAudience.get(audience);
  if (existing !== undefined) return existing;
  const created: PreparedFlags = {
    form,
    view,
    audience,
    counterOf,
    members: new WeakMap(),
    byKey: new Map(),
    all: undefined,
  };
  byAudience.set(audience, created);
  return created;
};

/** Returns all flags that the audience sees. */
export const allFlags = (prepared: PreparedFlags): readonly PreparedFlag[] =>
  (prepared.all ??= visibleKeys(prepared.view, prepared.audience).map(key =>
    flagFor(prepared, key),
  ));

/** Returns one flag. A flag that the audience does not see is not kept. */
export const flagFor = (prepared: PreparedFlags, key: string): PreparedFlag => {
  const { byKey, view, audience } = prepared;
  const existing = byKey.get(key);
  if (existing !== undefined) return existing;
  const flag = isVisible(view, audience, key) ? view.compiled.lazyFlags.get(key) : undefined;
  const created: PreparedFlag = { key, flag, known: [] };
  if (flag !== undefined) byKey.set(key, created);
  return created;
};

/** Evaluates a flag, and returns what a response contains of its result. */
export const evaluatePrepared = (
  prepared: PreparedFlags,
  { key, flag, known }: PreparedFlag,
  context: EvaluationContext,
): Member => {
  if (flag === undefined) return createMember(prepared, flagNotFound(key));
  const evaluation = evaluateFound(prepared.view.compiled, flag, context);
  for (const result of known) if (result.evaluation === evaluation) return result;
  const member = memberFor(prepared, prepared.audience.present(evaluation, prepared.view));
  if (known.length < MAX_KNOWN) known.push({ ...member, evaluation });
  return member;
};

/** Returns the member for a result that the audience may see, which is made once. */
export const memberFor = (prepared: PreparedFlags, evaluation: Evaluation): Member => {
  const existing = prepared.members.get(evaluation);
  if (existing !== undefined) return existing;
  const created = createMember(prepared, evaluation);
  prepared.members.set(evaluation, created);
  return created;
};

const createMember = (
  { form, view, audience, counterOf }: PreparedFlags,
  evaluation: Evaluation,
): Member => {
  const { flagKey, reason } = evaluation;
  const text = form.textOf(evaluation, view);
  const { environment } = view.flagSet;
  return {
    text: toByteString(text),
    digest: hasWeakTags(form, audience) ? resultDigestOf(evaluation) : digestOf(text),
    counter: counterOf(environment, flagKey, reason, !isNotFound(evaluation)),
  };
};

/** Whether the entity tags of a form are weak for an audience. They then depend on the results alone. */
export const hasWeakTags = (form: Pick<ResultForm, 'hasWeakTags'>, audience: Audience): boolean =>
  form.hasWeakTags && audience.visibleOnly;

/** The hash of a result without the version of its flag. */
export const resultDigestOf = once((evaluation: Evaluation): Digest =>
  digestOf(openTextOf(evaluation)),
);
