import type { OpenedEventStore, SqliteEvents } from '../events-location.ts';
import { eventOperationsIn } from './event-operations.ts';

/** The events in `events.db`. Each operation blocks its thread. */
export const openSqliteEventStore = ({ directory, logBytes }: SqliteEvents): OpenedEventStore => {
  const file = eventOperationsIn(directory);
  return {
    store: {
      partitions: 1,
      lead: async () => true,
      async append({ id }, entries) {
        file.appendEvents({ ledger: id, entries });
      },
      read: async ({ ledger }, after, limit) =>
        file.readEvents({ ledger: ledger.id, after, limit }),
      cursor: async ({ ledger }) => file.eventCursor(ledger.id),
      load: async ({ ledger }, cells) => file.loadCells({ ledger: ledger.id, cells }),
      loadGroup: async ({ ledger }, group) => file.loadGroup({ ledger: ledger.id, group }),
      groups: async ({ ledger }, from) => file.groupNames({ ledger: ledger.id, from }),
      write: async ({ ledger }, write) => file.writeFold({ ledger: ledger.id, write }),
      async trim({ ledger }) {
        file.trimEvents({ ledger: ledger.id, bytes: logBytes });
      },
      async clear({ id }) {
        file.clearEvents(id);
      },
    },
    async close() {
      file.closeEvents();
    },
  };
};
