import { openSse } from '../../support/sse.ts';
import type { ServerSlot } from './servers.ts';

/** Any JSON; the test compares it with the data in Redis. */
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

/** A client that follows one environment on changing servers. */
export type Follower = {
  readonly environment: string;
  current(): FlagSet | undefined;
  /** Every id that it has had, in order. */
  readonly ids: readonly string[];
  /** The changes that it has received: id → previous id. */
  readonly links: ReadonlyMap<string, string>;
  stop(): Promise<void>;
};

const RECONNECT_MS = 100;

export const startFollower = (
  environment: string,
  key: () => string,
  slots: readonly ServerSlot[],
): Follower => {
  const ids: string[] = [];
  const links = new Map<string, string>();
  const stopping = new AbortController();
  let flagSet: FlagSet | undefined;
  let cut: () => void = () => undefined;
  let turn = 0;

  const setFlagSet = (next: FlagSet) => {
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
      if (event.event === 'set') setFlagSet(data);
      if (event.event === 'current' && id !== flagSet?.id)
        throw new Error('a `current` event for another id');
      if (event.event !== 'change') continue;
      links.set(id, data.previous);
      if (flagSet === undefined || data.previous !== flagSet.id) return stream.close();
      setFlagSet({
        ...flagSet,
        id,
        revision: data.revision,
        flags: applyChanges(flagSet.flags, data.flags),
        segments: applyChanges(flagSet.segments, data.segments),
      });
    }
  };

  const run = async () => {
    for (; !stopping.signal.aborted; turn += 1) {
      const slot = slots[turn % slots.length];
      if (slot !== undefined) await followOn(slot.url).catch(() => undefined);
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

const applyChanges = (record: Record<string, unknown>, changes: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries({ ...record, ...changes }).filter(([, value]) => value !== null),
  );

/** Serializes a flag set as servers do, regardless of the order of its changes. */
export const textOf = (flagSet: FlagSet | undefined): string =>
  JSON.stringify(
    flagSet && { ...flagSet, flags: inOrder(flagSet.flags), segments: inOrder(flagSet.segments) },
  );

const inOrder = (record: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
