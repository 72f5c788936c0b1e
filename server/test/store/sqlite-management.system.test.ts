import { describeContexts } from '../contexts-suite.ts';
import { describeOverview } from '../overview-suite.ts';
import { describePromotion } from '../promotion-suite.ts';
import { newDirectory, openStore } from './sqlite-directory.ts';

describeOverview('the SQLite store', () => openStore(newDirectory()));
describeContexts('the SQLite store', () => openStore(newDirectory()));
describePromotion('the SQLite store', () => openStore(newDirectory()));
