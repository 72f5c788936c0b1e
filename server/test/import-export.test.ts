import { secureRandom } from '../src/random.ts';
import { openMemoryStore } from '../src/store/memory.ts';
import { describeImportExport } from './import-export-suite.ts';

describeImportExport('the memory store', () => openMemoryStore({ random: secureRandom }));
