import { secureRandom } from '../src/random.ts';
import { createMemoryEventStore } from '../src/store/memory-event-store.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { describeEvents } from './events-suite.ts';

describeEvents('the memory store', async logBytes =>
  openMemoryStore({ random: secureRandom, events: createMemoryEventStore(logBytes) }),
);
