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

/** A bulk evaluation that is ready to be sent. */
export type BulkEvaluation = {
  /** The revision, the environment and the evaluations by flag key: the bytes of JSON in UTF-8, or of its compressed form. */
  readonly body: string;
  /** The content coding of `body`, if it is compressed. */
  readonly coding?: Coding;
  /** The entity tag of the JSON. It is weak for keys that see only results: then it depends on these alone. */
  readonly etag: string;
  /** One for each evaluation. All are raised each time the bulk evaluation is served. */
  readonly counters: readonly Counter[];
};

const TAG_LENGTH = 27;

type VisibleFlags = { readonly view: FlagSetView; readonly audience: Audience };

/** A new member takes some microseconds. */
const MEMBERS_PER_CHECK = 100;

type BulkServices = { readonly counterOf: CounterOf; readonly turns: Turns };

/**
 * Joins the texts of the results. The tag is made from their hashes, which is faster than hashing the body. For public
 * keys it leaves out what counts edits: the revision and the versions. Continues in a later turn if it takes long,
 * because each result is serialized when it is first used.
 */
export const createBulkEvaluation = async (
  { view, audience }: VisibleFlags,
  evaluations: readonly Evaluation[],
  { counterOf, turns }: BulkServices,
): Promise<BulkEvaluation> => {
  const { environment } = view.flagSet;
  const { revision } = versionFor(view, audience);
  const head = `{"revision":${revision},"environment":${JSON.stringify(environment)},"evaluations":{`;
  const texts: string[] = [];
  const counters: Counter[] = [];
  let digests = audience.visibleOnly ? environment : head;
  for (const evaluation of evaluations) {
    const { text, digest, counter } = memberFor(evaluation, view, counterOf);
    texts.push(text);
    counters.push(counter);
    digests += audience.visibleOnly ? resultDigestOf(evaluation) : digest;
    const isChecked = texts.length % MEMBERS_PER_CHECK === 0;
    if (isChecked && turns.isOver()) await turns.next();
  }
  return {
    body: `${head}${texts.join(',')}}}`,
    etag: `${audience.visibleOnly ? 'W/' : ''}"${hash('sha256', digests, 'base64url').slice(0, TAG_LENGTH)}"`,
    counters,
  };
};

/** What a bulk evaluation contains of one result. */
type Member = {
  /** The flag set that has the version in the text. */
  readonly flagSetId: ChangeId;
  /** A string of bytes. */
  readonly text: string;
  readonly digest: string;
  readonly counter: Counter;
};

const members = new WeakMap<Evaluation, Member>();

/** Returns the member for a result. The results of one flag set are few, and used by many requests. */
const memberFor = (evaluation: Evaluation, view: FlagSetView, counterOf: CounterOf): Member => {
  const known = members.get(evaluation);
  if (known !== undefined && known.flagSetId === view.flagSet.id) return known;
  const created = createMember(evaluation, view, counterOf);
  members.set(evaluation, created);
  return created;
};

const DIGEST_LENGTH = 16;

const digestOf = (text: string): string =>
  hash('sha256', text, 'base64url').slice(0, DIGEST_LENGTH);

/** The hash of a result without the version of its flag. */
const resultDigestOf = once((evaluation: Evaluation): string => digestOf(openTextOf(evaluation)));

const createMember = (evaluation: Evaluation, view: FlagSetView, counterOf: CounterOf): Member => {
  const { environment, id: flagSetId } = view.flagSet;
  const { flagKey, reason } = evaluation;
  const result = `${withVersion(openTextOf(evaluation), versionOf(view, evaluation))}}`;
  return {
    flagSetId,
    text: toByteString(`${JSON.stringify(flagKey)}:${result}`),
    digest: digestOf(result),
    counter: counterOf(environment, flagKey, reason, !isNotFound(evaluation)),
  };
};

/** Compresses a bulk evaluation. Returns it as it is if that would not make it smaller. */
export const compressBulk = async (
  bulk: BulkEvaluation,
  coding: Coding,
): Promise<BulkEvaluation> => {
  const body = await compressBytes(bulk.body, coding);
  return body === undefined ? bulk : { ...bulk, body, coding };
};
