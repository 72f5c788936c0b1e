import { secureRandom } from '../../src/random.ts';
import { describeImportExport } from '../import-export-suite.ts';
import { useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis();

describeImportExport('the Redis store', () =>
  openStore(redis().url, { prefix: `import-${secureRandom(8)}` }),
);
