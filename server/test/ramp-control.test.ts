import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { describeRampDecisions, describeRampWrites } from './ramp-control-suite.ts';

const open = async () => openMemoryStore({ random: secureRandom });

describeRampWrites('the memory store', open);
describeRampDecisions(open);
