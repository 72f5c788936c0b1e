import type { Evaluation, EvaluationContext } from '@pennon/schema';

import { compressBytes, type Coding } from '../compression.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';
import { measuredFor, measuredText, type Audience, versionFor } from './audience.ts';
import type { Counter } from './counter.ts';
import { CombinedDigest, digestOf, type Digest } from './digest.ts';
import {
  createPrepared,
  evaluatePrepared,
  hasWeakTags,
  resultDigestOf,
  type PreparedFlag,
  type PreparedFlags,
  type ResultForm,
} from './prepared-flags.ts';
import { openTextOf, versionOf, withVersion } from './result-text.ts';
import { forEachByUnits, unitsOf, unitsToCompile } from './units.ts';
import { andThen, forEachInTurns, type Turns } from '../turns.ts';

/** A result as the response to the evaluation of one flag. */
export const DECISION: ResultForm = {
  textOf(evaluation, view) {
    const result = withVersion(openTextOf(evaluation), versionOf(view, evaluation));
    return `${result},"environment":${JSON.stringify(view.flagSet.environment)}}`;
  },
  hasWeakTags: false,
  prepared: createPrepared(),
};

/** The form of many results: the text of each, and what is before and after them. */
export type BulkForm = ResultForm & {
  /** Two forms with the same name have the same text for the same results. */
  readonly name: string;
  readonly open: (flags: VisibleFlags) => string;
  /** What of `open` belongs to the results, and is part of weak tags too. */
  readonly measured?: (flags: VisibleFlags) => string;
  readonly close: string;
};

/** The revision, the environment and the results by flag key. */
export const RESULTS_BY_KEY: BulkForm = {
  name: 'results',
  open({ view, audience }) {
    const { revision } = versionFor(view, audience);
    const environment = JSON.stringify(view.flagSet.environment);
    const measured = measuredText(measuredFor(view, audience));
    return `{"revision":${revision},"environment":${environment},${measured}"evaluations":{`;
  },
  textOf(evaluation, view) {
    const result = withVersion(openTextOf(evaluation), versionOf(view, evaluation));
    return `${JSON.stringify(evaluation.flagKey)}:${result}}`;
  },
  measured: ({ view, audience }) => measuredText(measuredFor(view, audience)),
  close: '}}',
  hasWeakTags: true,
  prepared: createPrepared(),
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

/**
 * Evaluates flags and joins the texts of the results. The tag is made from their digests, which is faster than hashing
 * the body. A weak one leaves out the revision and the versions. Continues in a later turn if it takes long.
 */
export const createBulkEvaluation = (
  form: BulkForm,
  prepared: PreparedFlags,
  {
    flags,
    context,
  }: { readonly flags: readonly PreparedFlag[]; readonly context: EvaluationContext },
  turns: Turns,
): BulkEvaluation | Promise<BulkEvaluation> => {
  const { text: open, digest } = openingOf(form, prepared);
  const counters: Counter[] = [];
  const combined = new CombinedDigest();
  combined.add(digest);
  let body = open;
  let separator = '';
  const add = (flag: PreparedFlag): number => {
    const toCompile = unitsToCompile(flag.flag);
    const member = evaluatePrepared(prepared, flag, context);
    body += separator + member.text;
    separator = ',';
    counters.push(member.counter);
    combined.add(member.digest);
    return toCompile + unitsOf();
  };
  return andThen(forEachByUnits(turns, flags, add), () => ({
    body: body + form.close,
    etag: `${hasWeakTags(form, prepared.audience) ? 'W/' : ''}"${combined.toText()}"`,
    counters,
  }));
};

/** What is before the results, and the digest of what is around them. */
type Opening = { readonly text: string; readonly digest: Digest };

/** The openings of a revision, by form and audience. */
const openingsOf = once<FlagSetView, Map<string, Opening>>(() => new Map());

/** Forms with an event stream have a name of their own for each key and some minutes, and a view may last for months. */
const MAX_OPENINGS = 100;

const openingOf = (form: BulkForm, { view, audience }: VisibleFlags): Opening => {
  const openings = openingsOf(view);
  const name = `${form.name} ${audience.name}`;
  const known = openings.get(name);
  if (known !== undefined) return known;
  const text = form.open({ view, audience });
  const measured = form.measured?.({ view, audience }) ?? '';
  const hashed = hasWeakTags(form, audience)
    ? view.flagSet.environment + measured
    : text + form.close;
  const created = { text, digest: digestOf(hashed) };
  if (openings.size === MAX_OPENINGS) openings.clear();
  openings.set(name, created);
  return created;
};

/** Hashing a result for the first time takes some microseconds. */
const DIGESTS_PER_CHECK = 100;

/**
 * Returns the digest of results without what counts edits, such as the versions of flags. Continues in a later turn if
 * it takes long.
 */
export const digestOfResults = (
  environment: string,
  evaluations: readonly Evaluation[],
  turns: Turns,
): string | Promise<string> => {
  const combined = new CombinedDigest();
  combined.add(digestOf(environment));
  let count = 0;
  const add = (evaluation: Evaluation): boolean => {
    combined.add(resultDigestOf(evaluation));
    count += 1;
    return count % DIGESTS_PER_CHECK === 0;
  };
  return andThen(forEachInTurns(turns, evaluations, add), () => combined.toText());
};

/** Compresses a bulk evaluation. Returns it as it is if that would not make it smaller. */
export const compressBulk = async (
  bulk: BulkEvaluation,
  coding: Coding,
): Promise<BulkEvaluation> => {
  const body = await compressBytes(bulk.body, coding);
  return body === undefined ? bulk : { ...bulk, body, coding };
};
