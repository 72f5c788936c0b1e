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
  routeOf,
} from './synced-resource.ts';
import type { Address, SyncedResource, Update } from './synced-resource.ts';

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

const applyChange = (
  flagSet: FlagSet | undefined,
  text: string,
  id: string | undefined,
): Update<FlagSet, FlagSetChanges> => {
  const change = parseObject(text);
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
  return [
    {
      ...flagSet,
      id,
      revision,
      flags: applyPatch(flagSet.flags, flags),
      segments: applyPatch(flagSet.segments, segments),
      ...measuredIn(change),
    },
    0,
    {
      flags: namesChangedBy(flags, flagSet.flags),
      segments: namesChangedBy(segments, flagSet.segments),
    },
  ];
};

const confirm = (
  flagSet: FlagSet | undefined,
  isSame: boolean,
  sourceAgeMs?: unknown,
): Update<FlagSet, never> => {
  if (flagSet === undefined || !isSame) throw gapError('the server has different data');
  return [flagSet, sourceAgeIn(sourceAgeMs)];
};

const reduce = (
  event: string,
  flagSet: FlagSet | undefined,
  text: string,
  id: string | undefined,
): Update<FlagSet, FlagSetChanges> | undefined => {
  switch (event) {
    case 'set':
      return [parseFlagSet(text), 0];
    case 'change':
      return applyChange(flagSet, text, id);
    case 'current':
      return confirm(flagSet, flagSet?.id === id);
    case 'heartbeat': {
      const { revision, sourceAgeMs } = parseObject(text);
      return confirm(flagSet, flagSet?.revision === revision, sourceAgeMs);
    }
    default:
      return undefined;
  }
};

const flagSetResource = (address: Address): SyncedResource<FlagSet, FlagSetChanges> => [
  (isStream, flagSet, etag) =>
    isStream
      ? buildRequest(address, routeOf('flag-set/stream', address), {
          headers: { accept: 'text/event-stream', ...header('last-event-id', flagSet?.id) },
        })
      : buildRequest(address, routeOf('flag-set', address), {
          headers: header('if-none-match', etag),
        }),
  parseFlagSet,
  reduce,
  (data, current) => data.revision < current.revision,
  ({ id }) => `"${id}"`,
];

/** Follows the flag set of an environment. Requires a key with the role `server`, so never use it in a browser. */
export const followFlagSet = (
  options: FollowOptions<FlagSet, FlagSetChanges>,
  runtime?: Runtime,
): Follower<FlagSet> => follow(flagSetResource(options), options, runtime);
