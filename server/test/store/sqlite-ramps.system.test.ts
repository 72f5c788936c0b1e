import { describeRampWrites } from '../ramp-control-suite.ts';
import { newDirectory, openStore } from './sqlite-directory.ts';

describeRampWrites('the SQLite store', () => openStore(newDirectory()));
