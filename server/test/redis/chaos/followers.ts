import { openSse } from '../../support/sse.ts';
import type { Place } from './servers.ts';

/** A flag set is any JSON here: what it must be is what Redis holds in the end. */
export type FlagSet = {
  formatVersion: number;
  environment: string;
  id: string;
  revision: number;
  // oxlint-disable-next-line typescript/no-explicit-any
  flags: Record<string, any>;
  // oxlint-disable-next-line typescript/no-explicit-any
  segments: Record<string, any>;
};

/** A client that follows one environment, now on this server and now on that one. */
export type Follower = {
  readonly environment: string;
  current(): FlagSet | undefined;
  /** Every id that it had, in order. */
  readonly ids: readonly string[];
  /** Changes that it was told: id → the id before. */
  readonly links: ReadonlyMap<string, string>;
  stop(): Promise<void>;
};

const RECONNECT_MS = 100;

export const startFollower = (
  environment: string,
  key: () => string,
  places: readonly Place[],
): Follower => {
  const ids: string[] = [];
  const links = new Map<string, string>();
  const stopping = new AbortController();
  let flagSet: FlagSet | undefined;
  let cut: () => void = () => undefined;
  let turn = 0;

  const have = (next: FlagSet) => {
    flagSet = next;
    if (ids.at(-1) !== next.id) ids.push(next.id);
  };

  const followOn = async (url: string) => {
    const known = flagSet?.id;
    const stream = await openSse(`${url}/api/v1/flag-set/stream?environment=${environment}`, {
      key: key(),
      ...(known === undefined ? {} : { headers: { 'last-event-id': known } }),
    });
    cut = () => stream.close();
    if (stopping.signal.aborted || !stream.response.ok) return stream.close();
    for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
      const { data, id = '' } = event;
      if (event.event === 'set') have(data);
      if (event.event === 'current' && id !== flagSet?.id) throw new Error('current, but not ours');
      if (event.event !== 'change') continue;
      links.set(id, data.previous);
      if (flagSet === undefined || data.previous !== flagSet.id) return stream.close();
      have({
        ...flagSet,
        id,
        revision: data.revision,
        flags: lay(flagSet.flags, data.flags),
        segments: lay(flagSet.segments, data.segments),
      });
    }
  };

  const run = async () => {
    for (; !stopping.signal.aborted; turn += 1) {
      const place = places[turn % places.length];
      if (place !== undefined) await followOn(place.url).catch(() => undefined);
      await new Promise(resolve => setTimeout(resolve, RECONNECT_MS));
    }
  };
  const running = run();

  return {
    environment,
    current: () => flagSet,
    ids,
    links,
    async stop() {
      stopping.abort();
      cut();
      await running;
    },
  };
};

const lay = (record: Record<string, unknown>, changes: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries({ ...record, ...changes }).filter(([, value]) => value !== null),
  );

/** The same data is the same text, byte for byte as servers send it, whatever the order it came in. */
export const textOf = (flagSet: FlagSet | undefined): string =>
  JSON.stringify(
    flagSet && { ...flagSet, flags: inOrder(flagSet.flags), segments: inOrder(flagSet.segments) },
  );

const inOrder = (record: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
