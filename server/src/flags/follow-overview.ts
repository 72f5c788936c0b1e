import { canAccess, type Caller } from '../auth/caller.ts';
import { toEnvironment } from '../environments/environments.ts';
import type { FlagSetEvent, LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Replica } from '../replication/replica.ts';
import { hashTag, matchingTag } from '../resources/entity-tag.ts';
import { runInSlices } from '../slices.ts';
import { onAbort } from '../streaming/on-abort.ts';
import type { OpenStream, StreamRegistry } from '../streaming/stream-registry.ts';
import type { LastEvaluated } from './last-evaluated.ts';
import {
  overviewSteps,
  revisionsOf,
  rowsSteps,
  type Column,
  type Overview,
  type Row,
} from './overview.ts';

export type OverviewServices = {
  readonly registry: Registry;
  readonly control: Replica<'control'>;
  readonly streams: StreamRegistry;
  readonly lastEvaluated: LastEvaluated;
};

/** What has changed in an overview: some rows, or so much that it must be read again. `etag` is the new one. */
export type OverviewEvent =
  | {
      event: 'change';
      etag: string;
      revisions: Record<string, number>;
      flags: Record<string, Row | null>;
    }
  | { event: 'reload'; etag: string };

/** Returns the flags of all environments that the caller may read. */
export const readOverview = async (
  services: OverviewServices,
  caller: Caller,
): Promise<Overview & { etag: string }> => {
  await services.control.refresh();
  await services.registry.whenReady();
  const lives = livesFor(services, caller);
  // So a change by any server is visible at once.
  await Promise.all(lives.map(({ replica }) => replica.refresh()));
  await Promise.all(lives.map(({ replica }) => services.lastEvaluated.refresh(replica.ledger)));
  const columns = columnsFor(services, caller);
  return { ...(await runInSlices(overviewSteps(columns))), etag: tagOf(columns) };
};

const livesFor = ({ registry }: OverviewServices, caller: Caller): readonly LiveFlagSet[] =>
  registry.all().filter(({ environment }) => canAccess(caller, environment));

const columnsFor = (services: OverviewServices, caller: Caller): readonly Column[] => {
  const { environments } = services.control.current().records;
  const columns = livesFor(services, caller).flatMap(live => {
    const found = environments.get(live.environment);
    if (found === undefined) return [];
    const { snapshot } = live.view();
    const lastEvaluated = services.lastEvaluated.of(live.replica.ledger);
    return [{ environment: toEnvironment(found.document), snapshot, lastEvaluated }];
  });
  return columns.toSorted((a, b) => placeOf(a) - placeOf(b));
};

/** Environments without a place come last, in the order of their keys. */
const placeOf = ({ environment }: Column): number => environment.order ?? Number.MAX_SAFE_INTEGER;

const tagOf = (columns: readonly Column[]): string =>
  hashTag(columns.map(({ environment, snapshot }) => [environment, snapshot.id]));

const environmentsTag = (columns: readonly Column[]): string =>
  hashTag(columns.map(({ environment }) => environment));

export type FollowOverviewInput = {
  /** The entity tag of the overview, or of the last event, that the follower has. */
  readonly lastEventId?: string | null | undefined;
};

/**
 * Follows the overview that the follower has read. Ends with `reload` if it must be read again: it is not the current
 * one, an environment has changed, or too many flags have. Keeps only the keys of flags whose rows were not sent yet.
 */
export const followOverview = (
  services: OverviewServices,
  caller: Caller,
  { lastEventId }: FollowOverviewInput,
  requestEnded: AbortSignal | undefined,
): AsyncGenerator<OverviewEvent, void> => {
  const stream = services.streams.open(caller, requestEnded);
  const pending = createPending();
  const known = columnsFor(services, caller);
  if (lastEventId != null && matchingTag(lastEventId, tagOf(known)) === undefined) pending.reload();
  collectChanges(services, caller, stream, pending);
  return eventsOf(() => columnsFor(services, caller), stream, pending);
};

/** Notes what changes until the stream ends. */
const collectChanges = (
  services: OverviewServices,
  caller: Caller,
  stream: OpenStream,
  pending: Pending,
): void => {
  const before = environmentsTag(columnsFor(services, caller));
  const compareEnvironments = async () => {
    await services.registry.whenReady();
    if (environmentsTag(columnsFor(services, caller)) !== before) pending.reload();
  };
  const note = (event: FlagSetEvent) =>
    event.type === 'set' ? pending.reload() : pending.add(Object.keys(event.change.flags));
  const unsubscribe = [
    services.control.subscribe(() => void compareEnvironments()),
    ...livesFor(services, caller).map(live => live.subscribe(note)),
  ];
  onAbort(stream.ended, () => {
    for (const each of unsubscribe) each();
    pending.end();
  });
};

async function* eventsOf(
  columnsNow: () => readonly Column[],
  stream: OpenStream,
  pending: Pending,
): AsyncGenerator<OverviewEvent, void> {
  try {
    for (;;) {
      const keys = await pending.take();
      if (keys === undefined) return;
      const columns = columnsNow();
      const etag = tagOf(columns);
      if (keys === 'all') {
        yield { event: 'reload', etag };
        return;
      }
      const flags = await runInSlices(rowsSteps(columns, keys));
      yield { event: 'change', etag, revisions: revisionsOf(columns), flags };
    }
  } finally {
    stream.close();
  }
}

/** The flags whose rows have changed since they were sent. */
type Pending = {
  add(keys: readonly string[]): void;
  /** Notes that all rows may have changed. */
  reload(): void;
  end(): void;
  /** Resolves once there is something to send, with the keys of flags; undefined at the end. */
  take(): Promise<ReadonlySet<string> | 'all' | undefined>;
};

/** If more flags than these wait for a reader, it reads the overview again. */
const MAX_PENDING = 1_000;

const createPending = (): Pending => {
  let keys: Set<string> | 'all' | undefined;
  let isEnded = false;
  let wake: () => void = () => undefined;
  const set = (next: Set<string> | 'all') => {
    keys = next;
    wake();
  };
  return {
    add(changed) {
      if (keys === 'all') return;
      const all = new Set([...(keys ?? []), ...changed]);
      set(all.size > MAX_PENDING ? 'all' : all);
    },
    reload: () => set('all'),
    end() {
      isEnded = true;
      wake();
    },
    async take() {
      if (keys === undefined && !isEnded)
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      const taken = keys;
      keys = undefined;
      return isEnded ? undefined : taken;
    },
  };
};
