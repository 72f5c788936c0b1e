import { follow } from './follow.ts';
import type { Follower, Following } from './follow.ts';
import { isFields } from './json.ts';
import type { Fields } from './json.ts';
import { askFor, header, lay, parse } from './kind.ts';
import type { Address, Kind } from './kind.ts';
import { gap } from './trouble.ts';
import type { World } from './world.ts';

/** The answers of all flags for one context, of one revision. */
export type Values<Evaluation = unknown> = {
  readonly revision: number;
  readonly evaluations: Readonly<Record<string, Evaluation>>;
};

/** What the server sends is what its schema says an evaluation is; nobody checks it again. */
const isValues = <Evaluation>(value: Fields): value is Values<Evaluation> =>
  typeof value['revision'] === 'number' && isFields(value['evaluations']);

const readValues = <Evaluation>(text: string): Values<Evaluation> => {
  const value = parse(text);
  if (!isValues<Evaluation>(value)) throw gap('what came are no values');
  return value;
};

/** A change tells no predecessor, but revisions never fall within one stream. */
const after = <Evaluation>(
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
): Values<Evaluation> => {
  const { revision, evaluations } = readValues<Evaluation | null>(text);
  return { revision, evaluations: lay(after(values, revision).evaluations, evaluations) };
};

const valuesKind = <Evaluation>(address: Address, body: string): Kind<Values<Evaluation>> => ({
  opening: ['values'],
  events: {
    values: (_, { data }) => readValues(data),
    change: (values, { data }) => change(values, data),
    heartbeat: (values, { data }) => after(values, parse(data)['revision']),
  },
  streamOf: () => askFor(address, 'evaluations/stream', { body }),
  pollOf: etag => askFor(address, 'evaluations', { body, headers: header('if-none-match', etag) }),
  read: readValues,
  etagOf: () => undefined,
});

/** `context` is sent as JSON once and for all: another context is another follower. */
export type FollowingValues<Evaluation> = Following<Values<Evaluation>> & {
  readonly context: Readonly<Record<string, unknown>>;
};

/** Follows what all flags answer for one context: for keys of the roles `client` and `server`. */
export const followValues = <Evaluation = unknown>(
  options: FollowingValues<Evaluation>,
  world?: World,
): Follower<Values<Evaluation>> =>
  follow(
    valuesKind<Evaluation>(options, JSON.stringify({ context: options.context })),
    options,
    world,
  );
