import { defineConfig } from 'vitest/config';

const root = new URL('..', import.meta.url).pathname;
const tests = '{server,packages/*,providers/*}/test/**/*.test.ts';
const startsProcesses = '**/*.system.test.ts';
const elsewhere = '**/node_modules/**';

/** Where the one test command wants its report; unset where Vitest is run by hand. */
const report = process.env['PENNON_TEST_REPORT'];

/**
 * `unit` runs within this process in under a minute. `system` starts real servers as processes of
 * their own, after the unit tests, so that the two do not slow each other down.
 */
export default defineConfig({
  root,
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    // A `.only` that was left behind would skip the rest.
    allowOnly: report === undefined,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['.ci/*.test.ts', tests],
          exclude: [elsewhere, startsProcesses],
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: [tests.replace('*.test.ts', '*.system.test.ts')],
          exclude: [elsewhere],
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
