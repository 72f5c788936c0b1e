import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { describeContexts } from './contexts-suite.ts';
import { describeOverview } from './overview-suite.ts';
import { describePromotion } from './promotion-suite.ts';

const openStore = () => openMemoryStore({ random: secureRandom });

describeOverview('the memory store', openStore);
describeContexts('the memory store', openStore);
describePromotion('the memory store', openStore);
