import { afterAll, beforeAll } from 'vitest';

import { startRedis, type RedisProcess } from './processes.ts';
import { removeDirectories } from './servers.ts';

/**
 * Runs `start` before the tests of the current file or `describe`, and removes what it started after them.
 * Nothing starts if no test runs, for example with `-t`. Returns an accessor for use in the tests.
 */
export const useProcesses = <Started extends { remove(): Promise<void> }>(
  start: () => Promise<Started>,
): (() => Started) => {
  let started: Started | undefined;
  beforeAll(async () => {
    started = await start();
  });
  afterAll(async () => {
    await started?.remove();
    removeDirectories();
  });
  return () => {
    if (started === undefined) throw new Error('the processes start before the first test');
    return started;
  };
};

/** A single Redis for the tests of the current file or `describe`. */
export const useRedis = (settings?: Readonly<Record<string, string>>): (() => RedisProcess) =>
  useProcesses(() => startRedis(settings));
