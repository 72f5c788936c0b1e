import { openEventStore, type OpenedEventStore } from '../../src/store/events-location.ts';
import type { Store } from '../../src/store/store.ts';

/** Opens the events of a store as the thread of a server does. */
export const openEventsOf = async ({ events }: Store): Promise<OpenedEventStore> =>
  'store' in events
    ? { store: events.store, close: async () => {} }
    : openEventStore(events.location);
