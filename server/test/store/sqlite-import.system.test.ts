import { describeImportExport } from '../import-export-suite.ts';
import { newDirectory, openStore } from './sqlite-directory.ts';

describeImportExport('the SQLite store', () => openStore(newDirectory()));
