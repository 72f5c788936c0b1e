import { gapError } from './errors.ts';
import { follow } from './follower.ts';
import type { Follower, FollowOptions } from './follower.ts';
import { isJsonObject, parseJsonObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Runtime } from './runtime.ts';
import { sourceAgeIn } from './source-age.ts';
import { buildRequest, namesChangedBy, routeOf } from './synced-resource.ts';
import type { Address, SyncedResource, Update } from './synced-resource.ts';

/** The evaluations of all flags for one context at one revision. */
export type Values<Evaluation = unknown> = {
  readonly revision: number;
  /** Omitted by older servers. */
  readonly environment?: string;
  readonly evaluations: Readonly<Record<string, Evaluation>>;
  /** The running experiments, by key. Absent if nothing is measured. */
  readonly experiments?: unknown;
  /** The names of the events that are measured; null: all. */
  readonly tracked?: unknown;
};

/** Checks the envelope only: each evaluation has the shape that the server's API describes. */
const parseValues = <Evaluation>(text: string): Values<Evaluation> => {
  const value = parseJsonObject(text);
  if (!isValues<Evaluation>(value)) throw gapError("the server's response has no values");
  return value;
};

const isValues = <Evaluation>(value: JsonObject | undefined): value is Values<Evaluation> =>
  typeof value?.['revision'] === 'number' && isJsonObject(value['evaluations']);

/** Events of values do not name the previous event, but revisions never decrease within one stream. */
const reduce = <Evaluation>(
  event: string,
  values: Values<Evaluation> | undefined,
  text: string,
  changedBy: ChangedBy | undefined,
): Update<Values<Evaluation>, string[]> | undefined => {
  if (event === 'values') return [parseValues(text), 0];
  const isChange = event === 'change';
  if (!isChange && event !== 'heartbeat') return undefined;
  const { revision, sourceAgeMs } = parseJsonObject(text) ?? {};
  if (!values || typeof revision !== 'number' || revision < values.revision)
    throw gapError('a change arrived out of order');
  if (!isChange)
    return [
      revision === values.revision ? values : { ...values, revision },
      sourceAgeIn(sourceAgeMs),
      [],
    ];
  // What is measured is whole, if a change has it.
  const change = parseValues<Evaluation | null>(text);
  const evaluations = Object.fromEntries(
    Object.entries({ ...values.evaluations, ...change.evaluations }).filter(isPresent),
  );
  return [
    { ...values, ...change, evaluations },
    0,
    changedBy?.(change.evaluations, values.evaluations) ?? [],
  ];
};

/** A change removes what is null. */
const isPresent = <Evaluation>(entry: [string, Evaluation | null]): entry is [string, Evaluation] =>
  entry[1] !== null;

type ChangedBy = typeof namesChangedBy;

/**
 * Returns the values of one context, for `follow`. `body` has the context. Changes have names only if `changedBy` finds
 * them.
 */
export const valuesResource = <Evaluation>(
  address: Address,
  body: string,
  changedBy?: ChangedBy,
  query = '',
): SyncedResource<Values<Evaluation>, string[]> => [
  (isStream, _, etag) =>
    buildRequest(address, (isStream ? 'evaluations/stream' : 'evaluations') + query, {
      body,
      headers: etag === undefined ? {} : { 'if-none-match': etag },
    }),
  parseValues,
  (event, values, text) => reduce(event, values, text, changedBy),
];

/** `context` is serialized once, so another context needs another follower. */
export type FollowValuesOptions<Evaluation> = FollowOptions<Values<Evaluation>, string[]> & {
  readonly context: Readonly<Record<string, unknown>>;
};

/** Follows the values of all flags for one context. Requires a key with the role `client` or `server`. */
export const followValues = <Evaluation = unknown>(
  options: FollowValuesOptions<Evaluation>,
  runtime?: Runtime,
): Follower<Values<Evaluation>> =>
  follow(
    valuesResource(
      options,
      JSON.stringify({ context: options.context }),
      namesChangedBy,
      routeOf('', options),
    ),
    options,
    runtime,
  );
