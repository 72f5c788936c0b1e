import { follow } from './follower.ts';
import type { Follower, FollowOptions } from './follower.ts';
import { isJsonObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { buildRequest, header, applyPatch, changedKeys, parse } from './synced-resource.ts';
import type { Address, SyncedResource, Update } from './synced-resource.ts';
import { gap } from './errors.ts';
import type { Runtime } from './runtime.ts';

/** The answers of all flags for one context, of one revision. */
export type Values<Evaluation = unknown> = {
  readonly revision: number;
  readonly evaluations: Readonly<Record<string, Evaluation>>;
};

/** What the server sends is what its schema says an evaluation is; nobody checks it again. */
const isValues = <Evaluation>(value: JsonObject): value is Values<Evaluation> =>
  typeof value['revision'] === 'number' && isJsonObject(value['evaluations']);

const readValues = <Evaluation>(text: string): Values<Evaluation> => {
  const value = parse(text);
  if (!isValues<Evaluation>(value)) throw gap('what came are no values');
  return value;
};

/** A change tells no predecessor, but revisions never fall within one stream. */
const withRevision = <Evaluation>(
  values: Values<Evaluation> | undefined,
  revision: unknown,
): Values<Evaluation> => {
  if (values === undefined || typeof revision !== 'number' || revision < values.revision) {
    throw gap('a change came out of order');
  }
  return revision === values.revision ? values : { ...values, revision };
};

const change = <Evaluation>(
  values: Values<Evaluation> | undefined,
  text: string,
): Update<Values<Evaluation>, string[]> => {
  const { revision, evaluations } = readValues<Evaluation | null>(text);
  const before = withRevision(values, revision).evaluations;
  return {
    data: { revision, evaluations: applyPatch(before, evaluations) },
    changed: changedKeys(before, evaluations),
  };
};

const valuesKind = <Evaluation>(
  address: Address,
  body: string,
): SyncedResource<Values<Evaluation>, string[]> => ({
  opening: ['values'],
  events: {
    values: (_, { data }) => ({ data: readValues(data) }),
    change: (values, { data }) => change(values, data),
    heartbeat: (values, { data }) => ({
      data: withRevision(values, parse(data)['revision']),
      changed: [],
    }),
  },
  streamOf: () => buildRequest(address, 'evaluations/stream', { body }),
  pollOf: etag =>
    buildRequest(address, 'evaluations', { body, headers: header('if-none-match', etag) }),
  read: readValues,
  etagOf: () => undefined,
});

/** `context` is sent as JSON once and for all: another context is another follower. */
export type FollowValuesOptions<Evaluation> = FollowOptions<Values<Evaluation>, string[]> & {
  readonly context: Readonly<Record<string, unknown>>;
};

/** Follows what all flags answer for one context: for keys of the roles `client` and `server`. */
export const followValues = <Evaluation = unknown>(
  options: FollowValuesOptions<Evaluation>,
  world?: Runtime,
): Follower<Values<Evaluation>> =>
  follow(
    valuesKind<Evaluation>(options, JSON.stringify({ context: options.context })),
    options,
    world,
  );
