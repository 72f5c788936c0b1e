import { hash } from 'node:crypto';

import type { Evaluation } from '@pennon/schema';

import { toByteString } from '../byte-string.ts';
import { compressBytes, type Coding } from '../compression.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';
import type { ChangeId } from '../store/change-id.ts';
import { type Audience, versionFor } from './audience.ts';
import type { Counter, CounterOf } from './counter.ts';
import { isNotFound } from './counter.ts';
import { openTextOf, versionOf, withVersion } from './result-text.ts';
import type { Turns } from '../turns.ts';

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

const TAG_LENGTH = 27;

export type VisibleFlags = { readonly view: FlagSetView; readonly audience: Audience };

/** A new member takes some microseconds. */
const MEMBERS_PER_CHECK = 100;

type BulkServices = { readonly counterOf: CounterOf; readonly turns: Turns };

/**
 * Joins the texts of the results. The tag is made from their hashes, which is faster than hashing the body. A weak
 * one leaves out the revision and the versions. Continues in a later turn if it takes long, because each result is
 * serialized when it is first used.
 */
export const createBulkEvaluation = async (
  { view, audience, form }: VisibleFlags & { readonly form: BulkForm },
  evaluations: readonly Evaluation[],
  { counterOf, turns }: BulkServices,
): Promise<BulkEvaluation> => {
  const open = form.open({ view, audience });
  const texts: string[] = [];
  const counters: Counter[] = [];
  const isWeak = form.hasWeakTags && audience.visibleOnly;
  let digests = open + form.close;
  for (const evaluation of evaluations) {
    const { text, digest, counter } = memberFor(form, evaluation, view, counterOf);
    texts.push(text);
    counters.push(counter);
    digests += digest;
    const isChecked = texts.length % MEMBERS_PER_CHECK === 0;
    if (isChecked && turns.isOver()) await turns.next();
  }
  return {
    body: `${open}${texts.join(',')}${form.close}`,
    etag: isWeak
      ? `W/"${await digestOfResults(view.flagSet.environment, evaluations, turns)}"`
      : `"${tagOf(digests)}"`,
    counters,
  };
};

const tagOf = (text: string): string => hash('sha256', text, 'base64url').slice(0, TAG_LENGTH);

/** Hashes results without what counts edits, such as the versions of flags. Continues in a later turn if it takes long. */
export const digestOfResults = async (
  environment: string,
  evaluations: readonly Evaluation[],
  turns: Turns,
): Promise<string> => {
  let digests = environment;
  for (const [at, evaluation] of evaluations.entries()) {
    digests += resultDigestOf(evaluation);
    if (at % MEMBERS_PER_CHECK === 0 && turns.isOver()) await turns.next();
  }
  return tagOf(digests);
};

/** What a response contains of one result. */
export type Member = {
  /** The flag set that has the version in the text. */
  readonly flagSetId: ChangeId;
  /** A string of bytes. */
  readonly text: string;
  readonly digest: string;
  readonly counter: Counter;
};

const DIGEST_LENGTH = 16;

const digestOf = (text: string): string =>
  hash('sha256', text, 'base64url').slice(0, DIGEST_LENGTH);

/** The hash of a result without the version of its flag. */
const resultDigestOf = once((evaluation: Evaluation): string => digestOf(openTextOf(evaluation)));

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
