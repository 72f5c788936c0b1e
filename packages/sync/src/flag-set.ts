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
import type { Address, EventReducer, SyncedResource, Update } from './synced-resource.ts';

/** All flags and segments of one environment at one revision. The engine validates each flag. */
export type FlagSet = {
  readonly formatVersion: number;
  readonly environment: string;
  /** The id of the last change. Flag sets with equal ids are equal. */
  readonly id: string;
  readonly revision: number;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly segments: Readonly<Record<string, unknown>>;
  /** The running experiments, by key. Absent if nothing is measured. */
  readonly experiments?: unknown;
  /** The names of the events that are measured; null: all. */
  readonly tracked?: unknown;
};

/** The keys of the flags and segments that a change event added, changed or removed. */
export type FlagSetChanges = { readonly flags: string[]; readonly segments: string[] };

/** Checks the envelope only: the server validates flags when they are written, and the engine compiles each. */
const isFlagSet = (value: JsonObject): value is FlagSet =>
  typeof value['id'] === 'string' &&
  typeof value['revision'] === 'number' &&
  isJsonObject(value['flags']) &&
  isJsonObject(value['segments']);

const parseFlagSet = (text: string): FlagSet => {
  const value = parseObject(text);
  if (!isFlagSet(value)) throw gapError("the server's response is not a flag set");
  return value;
};

const applyChange: EventReducer<FlagSet, FlagSetChanges> = (flagSet, { id, data }) => {
  const change = parseObject(data);
  const { previous, revision, flags, segments } = change;
  if (flagSet === undefined || flagSet.id !== previous) throw gapError('a change was missed');
  if (
    id === undefined ||
    typeof revision !== 'number' ||
    !isJsonObject(flags) ||
    !isJsonObject(segments)
  ) {
    throw gapError('the change event is not valid');
  }
  return {
    data: {
      ...flagSet,
      id,
      revision,
      flags: applyPatch(flagSet.flags, flags),
      segments: applyPatch(flagSet.segments, segments),
      ...measuredIn(change),
    },
    changed: {
      flags: namesChangedBy(flags, flagSet.flags),
      segments: namesChangedBy(segments, flagSet.segments),
    },
    sourceAgeMs: 0,
  };
};

const confirm = (flagSet: FlagSet | undefined, isSame: boolean): Update<FlagSet, never> => {
  if (flagSet === undefined || !isSame) throw gapError('the server has different data');
  return { data: flagSet };
};

const confirmByHeartbeat: EventReducer<FlagSet, FlagSetChanges> = (flagSet, message) => {
  const { revision, sourceAgeMs } = parseObject(message.data);
  return {
    ...confirm(flagSet, flagSet?.revision === revision),
    sourceAgeMs: sourceAgeIn(sourceAgeMs),
  };
};

const events: Readonly<Record<string, EventReducer<FlagSet, FlagSetChanges>>> = {
  set: (_, { data }) => ({ data: parseFlagSet(data), sourceAgeMs: 0 }),
  change: applyChange,
  current: (flagSet, { id }) => confirm(flagSet, flagSet?.id === id),
  heartbeat: confirmByHeartbeat,
};

const flagSetResource = (address: Address): SyncedResource<FlagSet, FlagSetChanges> => ({
  isOlder: (data, current) => data.revision < current.revision,
  initialEvents: ['set', 'current'],
  events,
  streamRequest: flagSet =>
    buildRequest(address, 'flag-set/stream', {
      headers: { accept: 'text/event-stream', ...header('last-event-id', flagSet?.id) },
    }),
  pollRequest: etag =>
    buildRequest(address, 'flag-set', { headers: header('if-none-match', etag) }),
  parse: parseFlagSet,
  etagOf: ({ id }) => `"${id}"`,
});

/** Follows the flag set of an environment. Requires a key with the role `server`, so never use it in a browser. */
export const followFlagSet = (
  options: FollowOptions<FlagSet, FlagSetChanges>,
  runtime?: Runtime,
): Follower<FlagSet> => follow(flagSetResource(options), options, runtime);
