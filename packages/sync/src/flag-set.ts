import { follow } from './follower.ts';
import type { Follower, FollowOptions } from './follower.ts';
import { isJsonObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { buildRequest, header, applyPatch, changedKeys, parse } from './synced-resource.ts';
import type { Address, EventReducer, SyncedResource, Update } from './synced-resource.ts';
import { gap } from './errors.ts';
import type { Runtime } from './runtime.ts';

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
const isFlagSet = (value: JsonObject): value is FlagSet =>
  typeof value['id'] === 'string' &&
  typeof value['revision'] === 'number' &&
  isJsonObject(value['flags']) &&
  isJsonObject(value['segments']);

const readFlagSet = (text: string): FlagSet => {
  const value = parse(text);
  if (!isFlagSet(value)) throw gap('what came is no flag set');
  return value;
};

/** The keys of the flags and segments that a change event added, changed or removed. */
export type FlagSetChanges = { readonly flags: string[]; readonly segments: string[] };

const change: EventReducer<FlagSet, FlagSetChanges> = (flagSet, { id, data }) => {
  const { previous, revision, flags, segments } = parse(data);
  if (flagSet === undefined || flagSet.id !== previous) throw gap('a change was missed');
  if (
    id === undefined ||
    typeof revision !== 'number' ||
    !isJsonObject(flags) ||
    !isJsonObject(segments)
  ) {
    throw gap('what came is no change');
  }
  return {
    data: {
      ...flagSet,
      id,
      revision,
      flags: applyPatch(flagSet.flags, flags),
      segments: applyPatch(flagSet.segments, segments),
    },
    changed: {
      flags: changedKeys(flagSet.flags, flags),
      segments: changedKeys(flagSet.segments, segments),
    },
  };
};

const confirm = (flagSet: FlagSet | undefined, isSame: boolean): Update<FlagSet, never> => {
  if (flagSet === undefined || !isSame) throw gap('the server has other data');
  return { data: flagSet };
};

const events: Readonly<Record<string, EventReducer<FlagSet, FlagSetChanges>>> = {
  set: (_, { data }) => ({ data: readFlagSet(data) }),
  change,
  current: (flagSet, { id }) => confirm(flagSet, flagSet?.id === id),
  heartbeat: (flagSet, { data }) => confirm(flagSet, flagSet?.revision === parse(data)['revision']),
};

const flagSetKind = (address: Address): SyncedResource<FlagSet, FlagSetChanges> => ({
  opening: ['set', 'current'],
  events,
  streamOf: flagSet =>
    buildRequest(address, 'flag-set/stream', { headers: header('last-event-id', flagSet?.id) }),
  pollOf: etag => buildRequest(address, 'flag-set', { headers: header('if-none-match', etag) }),
  read: readFlagSet,
  etagOf: ({ id }) => `"${id}"`,
});

/** Follows an environment's flag set: for keys of the role `server`, never for a browser. */
export const followFlagSet = (
  options: FollowOptions<FlagSet, FlagSetChanges>,
  world?: Runtime,
): Follower<FlagSet> => follow(flagSetKind(options), options, world);
