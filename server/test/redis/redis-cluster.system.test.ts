import { describeStore } from '../store/suite.ts';
import { startCluster } from './processes.ts';
import { useProcesses } from './setup.ts';
import { openForSuite } from './store.ts';

const redis = useProcesses(startCluster);

describeStore('the Redis store on a Cluster of three masters', () => openForSuite(redis().url));
