import type { Evaluation } from '@pennon/schema';

import { toByteString } from '../byte-string.ts';
import { compressBytes, type Coding } from '../compression.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';
import type { ChangeId } from '../store/change-id.ts';
import { type Audience, versionFor } from './audience.ts';
import type { Counter, CounterOf } from './counter.ts';
import { isNotFound } from './counter.ts';
import { combineDigests, digestOf, digestText, type Digest } from './digest.ts';
import { openTextOf, versionOf, withVersion } from './result-text.ts';
import { andThen, forEachInTurns, type Turns } from '../turns.ts';

/** The form of a result as JSON. */
export type ResultForm = {
  readonly textOf: (evaluation: Evaluation, view: FlagSetView) => string;
  /** The texts of the results, which are few and used by many requests. */
  readonly members: WeakMap<Evaluation, Member>;
};

/** A result as the response to the evaluation of one flag. */
export const DECISION: ResultForm = {
  textOf(evaluation, view) {
    const result = withVersion(openTextOf(evaluation), versionOf(view, evaluation));
    return `${result},"environment":${JSON.stringify(view.flagSet.environment)}}`;
  },
  members: new WeakMap(),
};

/** The form of many results: the text of each, and what is before and after them. */
export type BulkForm = ResultForm & {
  /** Two forms with the same name have the same text for the same results. */
  readonly name: string;
  readonly open: (flags: VisibleFlags) => string;
  readonly close: string;
  /** Whether the tags for public keys are weak, because they leave out what counts edits. */
  readonly hasWeakTags: boolean;
};

/** The revision, the environment and the results by flag key. */
export const RESULTS_BY_KEY: BulkForm = {
  name: 'results',
  open({ view, audience }) {
    const { revision } = versionFor(view, audience);
    const environment = JSON.stringify(view.flagSet.environment);
    return `{"revision":${revision},"environment":${environment},"evaluations":{`;
  },
  textOf(evaluation, view) {
    const result = withVersion(openTextOf(evaluation), versionOf(view, evaluation));
    return `${JSON.stringify(evaluation.flagKey)}:${result}}`;
  },
  close: '}}',
  hasWeakTags: true,
  members: new WeakMap(),
};

/** A bulk evaluation that is ready to be sent. */
export type BulkEvaluation = {
  /** The bytes of JSON in UTF-8, or of its compressed form. */
  readonly body: string;
  /** The content coding of `body`, if it is compressed. */
  readonly coding?: Coding;
  /** The entity tag of the JSON. It is weak for keys that see only results: then it depends on these alone. */
  readonly etag: string;
  /** One for each evaluation. All are raised each time the bulk evaluation is served. */
  readonly counters: readonly Counter[];
};

export type VisibleFlags = { readonly view: FlagSetView; readonly audience: Audience };

/** A new member takes some microseconds. */
const MEMBERS_PER_CHECK = 100;

type BulkServices = { readonly counterOf: CounterOf; readonly turns: Turns };

/**
 * Joins the texts of the results. The tag is made from their digests, which is faster than hashing the body. A weak
 * one leaves out the revision and the versions. Continues in a later turn if it takes long, because each result is
 * serialized when it is first used.
 */
export const createBulkEvaluation = (
  flags: VisibleFlags & { readonly form: BulkForm },
  evaluations: readonly Evaluation[],
  { counterOf, turns }: BulkServices,
): BulkEvaluation | Promise<BulkEvaluation> => {
  const { view, audience, form } = flags;
  const isWeak = form.hasWeakTags && audience.visibleOnly;
  const { text: open, digest } = openingOf(flags, isWeak);
  const texts: string[] = [];
  const counters: Counter[] = [];
  const digests = [digest];
  const add = (evaluation: Evaluation): boolean => {
    const member = memberFor(form, evaluation, view, counterOf);
    texts.push(member.text);
    counters.push(member.counter);
    digests.push(isWeak ? resultDigestOf(evaluation) : member.digest);
    return texts.length % MEMBERS_PER_CHECK === 0;
  };
  return andThen(forEachInTurns(turns, evaluations, add), () => ({
    body: `${open}${texts.join(',')}${form.close}`,
    etag: `${isWeak ? 'W/' : ''}"${digestText(combineDigests(digests))}"`,
    counters,
  }));
};

/** What is before the results, and the digest of what is around them. */
type Opening = { readonly text: string; readonly digest: Digest };

/** The openings of a revision, by form and audience. */
const openingsOf = once<FlagSetView, Map<string, Opening>>(() => new Map());

const openingOf = (
  { view, audience, form }: VisibleFlags & { readonly form: BulkForm },
  isWeak: boolean,
): Opening => {
  const openings = openingsOf(view);
  const name = `${form.name} ${audience.name}`;
  const known = openings.get(name);
  if (known !== undefined) return known;
  const text = form.open({ view, audience });
  const created = { text, digest: digestOf(isWeak ? view.flagSet.environment : text + form.close) };
  openings.set(name, created);
  return created;
};

/**
 * Returns the digest of results without what counts edits, such as the versions of flags. Continues in a later turn if
 * it takes long.
 */
export const digestOfResults = (
  environment: string,
  evaluations: readonly Evaluation[],
  turns: Turns,
): string | Promise<string> => {
  const digests = [digestOf(environment)];
  const add = (evaluation: Evaluation): boolean =>
    digests.push(resultDigestOf(evaluation)) % MEMBERS_PER_CHECK === 0;
  return andThen(forEachInTurns(turns, evaluations, add), () =>
    digestText(combineDigests(digests)),
  );
};

/** What a response contains of one result. */
export type Member = {
  /** The flag set that has the version in the text. */
  readonly flagSetId: ChangeId;
  /** A string of bytes. */
  readonly text: string;
  readonly digest: Digest;
  readonly counter: Counter;
};

/** The hash of a result without the version of its flag. */
const resultDigestOf = once((evaluation: Evaluation): Digest => digestOf(openTextOf(evaluation)));

/** Returns the member for a result, which is made once for each flag set. */
export const memberFor = (
  form: ResultForm,
  evaluation: Evaluation,
  view: FlagSetView,
  counterOf: CounterOf,
): Member => {
  const known = form.members.get(evaluation);
  if (known !== undefined && known.flagSetId === view.flagSet.id) return known;
  const { environment, id: flagSetId } = view.flagSet;
  const { flagKey, reason } = evaluation;
  const text = form.textOf(evaluation, view);
  const created = {
    flagSetId,
    text: toByteString(text),
    digest: digestOf(text),
    counter: counterOf(environment, flagKey, reason, !isNotFound(evaluation)),
  };
  form.members.set(evaluation, created);
  return created;
};

/** Compresses a bulk evaluation. Returns it as it is if that would not make it smaller. */
export const compressBulk = async (
  bulk: BulkEvaluation,
  coding: Coding,
): Promise<BulkEvaluation> => {
  const body = await compressBytes(bulk.body, coding);
  return body === undefined ? bulk : { ...bulk, body, coding };
};
