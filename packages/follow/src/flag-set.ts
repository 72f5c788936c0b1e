import { follow } from './follow.ts';
import type { Follower, Following } from './follow.ts';
import { isFields } from './json.ts';
import type { Fields } from './json.ts';
import { askFor, header, lay, parse } from './kind.ts';
import type { Address, Hear, Kind } from './kind.ts';
import { gap } from './trouble.ts';
import type { World } from './world.ts';

/** All flags and segments of one environment, of one revision. What a flag is, is the engine's business. */
export type FlagSet = {
  readonly formatVersion: number;
  readonly environment: string;
  /** Of the last change: equal ids mean equal flag sets. */
  readonly id: string;
  readonly revision: number;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly segments: Readonly<Record<string, unknown>>;
};

/** The envelope only: the server has validated what is in it, and `compile` looks at each flag. */
const isFlagSet = (value: Fields): value is FlagSet =>
  typeof value['id'] === 'string' &&
  typeof value['revision'] === 'number' &&
  isFields(value['flags']) &&
  isFields(value['segments']);

const readFlagSet = (text: string): FlagSet => {
  const value = parse(text);
  if (!isFlagSet(value)) throw gap('what came is no flag set');
  return value;
};

const change: Hear<FlagSet> = (flagSet, { id, data }) => {
  const { previous, revision, flags, segments } = parse(data);
  if (flagSet === undefined || flagSet.id !== previous) throw gap('a change was missed');
  if (id === undefined || typeof revision !== 'number' || !isFields(flags) || !isFields(segments)) {
    throw gap('what came is no change');
  }
  return {
    ...flagSet,
    id,
    revision,
    flags: lay(flagSet.flags, flags),
    segments: lay(flagSet.segments, segments),
  };
};

const confirm = (flagSet: FlagSet | undefined, isSame: boolean): FlagSet => {
  if (flagSet === undefined || !isSame) throw gap('the server has other data');
  return flagSet;
};

const events: Readonly<Record<string, Hear<FlagSet>>> = {
  set: (_, { data }) => readFlagSet(data),
  change,
  current: (flagSet, { id }) => confirm(flagSet, flagSet?.id === id),
  heartbeat: (flagSet, { data }) => confirm(flagSet, flagSet?.revision === parse(data)['revision']),
};

const flagSetKind = (address: Address): Kind<FlagSet> => ({
  opening: ['set', 'current'],
  events,
  streamOf: flagSet =>
    askFor(address, 'flag-set/stream', { headers: header('last-event-id', flagSet?.id) }),
  pollOf: etag => askFor(address, 'flag-set', { headers: header('if-none-match', etag) }),
  read: readFlagSet,
  etagOf: ({ id }) => `"${id}"`,
});

/** Follows an environment's flag set: for keys of the role `server`, never for a browser. */
export const followFlagSet = (options: Following<FlagSet>, world?: World): Follower<FlagSet> =>
  follow(flagSetKind(options), options, world);
