import { describeEvents } from '../events-suite.ts';
import { newDirectory, openStore } from './sqlite-directory.ts';

describeEvents('the SQLite store', eventLogBytes => openStore(newDirectory(), { eventLogBytes }));
