import type { Table } from '../table.ts';
import { eventLoopTables } from './event-loop.ts';
import { importTimeTable } from './import-time.ts';
import { createProject } from './project.ts';

/** Measures what the providers cost an application when it starts, and when flags change. */
export const providersBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<Table[]> => {
  const project = createProject();
  try {
    return [
      await importTimeTable(project, isQuick ? 3 : 11),
      ...(await eventLoopTables(project, isQuick ? 2 : 9)),
    ];
  } finally {
    project.remove();
  }
};
