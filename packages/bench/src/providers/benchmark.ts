import type { Table } from '../table.ts';
import { eventLoopTables } from './event-loop.ts';
import { importTimeTable } from './import-time.ts';
import { createProject } from './project.ts';

/** Measures what the providers cost an application when it starts, and when flags change. */
export const providersBenchmark = async (): Promise<Table[]> => {
  const project = createProject();
  try {
    return [await importTimeTable(project), ...(await eventLoopTables(project))];
  } finally {
    project.remove();
  }
};
