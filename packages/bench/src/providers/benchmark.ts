import type { Table } from '../table.ts';
import { importTable } from './imports.ts';
import { createProject } from './project.ts';
import { turnTable } from './turns.ts';

/** What the providers cost an application when it starts, and when flags change. */
export const providersBenchmark = async (): Promise<Table[]> => {
  const project = createProject();
  try {
    return [await importTable(project), await turnTable(project)];
  } finally {
    project.remove();
  }
};
