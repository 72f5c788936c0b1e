import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { describeEvents } from './events-suite.ts';

describeEvents('the memory store', async () => openMemoryStore({ random: secureRandom }));
