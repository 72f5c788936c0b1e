import type { ConnectionOptions } from 'node:tls';

import type { EventStore } from './event-store.ts';
import { openRedisEventStore } from './redis/event-store.ts';
import type { RedisAddress } from './redis/url.ts';
import { openSqliteEventStore } from './sqlite/event-store.ts';

/** The place from which a thread opens the events. It can be sent to one. */
export type EventsLocation = SqliteEvents | RedisEvents;

export type SqliteEvents = {
  readonly type: 'sqlite';
  /** The directory of `events.db`, which exists. */
  readonly directory: string;
  /** How large the log of an environment may be. */
  readonly logBytes: number;
};

export type RedisEvents = {
  readonly type: 'redis';
  readonly address: RedisAddress;
  readonly prefix: string;
  readonly tls: ConnectionOptions | undefined;
  readonly logBytes: number;
};

export type OpenedEventStore = {
  readonly store: EventStore;
  /** Waits for pending work. */
  close(): Promise<void>;
};

export const openEventStore = async (location: EventsLocation): Promise<OpenedEventStore> =>
  location.type === 'sqlite' ? openSqliteEventStore(location) : openRedisEventStore(location);
