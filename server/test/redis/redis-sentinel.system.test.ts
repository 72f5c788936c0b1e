import { describeStore } from '../store/suite.ts';
import { startSentinels } from './processes.ts';
import { useProcesses } from './setup.ts';
import { openForSuite } from './store.ts';

const redis = useProcesses(startSentinels);

describeStore('the Redis store behind Sentinels', () => openForSuite(redis().url));
