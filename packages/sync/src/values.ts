import { gapError } from './errors.ts';
import { follow } from './follower.ts';
import type { Follower, FollowOptions } from './follower.ts';
import { isJsonObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { Runtime } from './runtime.ts';
import { sourceAgeIn } from './source-age.ts';
import {
  applyPatch,
  buildRequest,
  header,
  measuredIn,
  namesChangedBy,
  parseObject,
} from './synced-resource.ts';
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
const isValues = <Evaluation>(value: JsonObject): value is Values<Evaluation> =>
  typeof value['revision'] === 'number' && isJsonObject(value['evaluations']);

const parseValues = <Evaluation>(text: string): Values<Evaluation> => {
  const value = parseObject(text);
  if (!isValues<Evaluation>(value)) throw gapError("the server's response has no values");
  return value;
};

/** Events of values do not name the previous event, but revisions never decrease within one stream. */
const withRevision = <Evaluation>(
  values: Values<Evaluation> | undefined,
  revision: unknown,
): Values<Evaluation> => {
  if (values === undefined || typeof revision !== 'number' || revision < values.revision) {
    throw gapError('a change arrived out of order');
  }
  return revision === values.revision ? values : { ...values, revision };
};

const applyChange = <Evaluation>(
  values: Values<Evaluation> | undefined,
  text: string,
): Update<Values<Evaluation>, string[]> => {
  const change = parseValues<Evaluation | null>(text);
  const { revision, evaluations } = change;
  const current = withRevision(values, revision);
  return {
    data: {
      ...current,
      revision,
      evaluations: applyPatch(current.evaluations, evaluations),
      ...measuredIn(change),
    },
    changed: namesChangedBy(evaluations, current.evaluations),
    sourceAgeMs: 0,
  };
};

const confirm = <Evaluation>(
  values: Values<Evaluation> | undefined,
  text: string,
): Update<Values<Evaluation>, string[]> => {
  const { revision, sourceAgeMs } = parseObject(text);
  return {
    data: withRevision(values, revision),
    changed: [],
    sourceAgeMs: sourceAgeIn(sourceAgeMs),
  };
};

const valuesResource = <Evaluation>(
  address: Address,
  body: string,
): SyncedResource<Values<Evaluation>, string[]> => ({
  initialEvents: ['values'],
  events: {
    values: (_, { data }) => ({ data: parseValues(data), sourceAgeMs: 0 }),
    change: (values, { data }) => applyChange(values, data),
    heartbeat: (values, { data }) => confirm(values, data),
  },
  streamRequest: () => buildRequest(address, 'evaluations/stream', { body }),
  pollRequest: etag =>
    buildRequest(address, 'evaluations', { body, headers: header('if-none-match', etag) }),
  parse: parseValues,
});

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
    valuesResource<Evaluation>(options, JSON.stringify({ context: options.context })),
    options,
    runtime,
  );
