import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

const root = new URL('..', import.meta.url).pathname;
const tests = '{server,packages/*,providers/*}/test/**/*.test.ts';
const startsProcesses = '**/*.system.test.ts';
const installed = '**/node_modules/**';

/** The path of the report that `pnpm test` reads. Unset if Vitest is run directly. */
const report = process.env['VITEST_JSON_REPORT'];

/** Files that need no isolation share the modules that they import, which halves the time. */
const unit = (name: string, include: string[], isolate: boolean) => ({
  extends: true as const,
  test: {
    name,
    include,
    exclude: [installed, startsProcesses],
    isolate,
    // Only for tests that hang. A busy machine must not fail a test.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: '100%',
    sequence: { groupOrder: 0 },
  },
});

/**
 * `unit` tests run in this process, in under a minute. `system` tests start real servers as separate
 * processes. They run after the unit tests, so the two do not slow each other down.
 */
export default defineConfig({
  root,
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    // A forgotten `.only` would skip all other tests.
    allowOnly: report === undefined,
    // The default of a second is too little for a busy machine.
    expect: { poll: { timeout: 90_000 } },
    // A provider for tests prints this on releases of Node.js that do not have long-term support yet.
    onConsoleLog: text => !text.includes('oidc-provider WARNING: Unsupported runtime'),
    projects: [
      unit('unit', ['.ci/*.test.ts', '{server,packages/*}/test/**/*.test.ts'], false),
      // The SDKs of OpenFeature keep their providers in global state.
      unit('unit-providers', ['providers/*/test/**/*.test.ts'], true),
      {
        extends: true,
        test: {
          name: 'system',
          include: [tests.replace('*.test.ts', '*.system.test.ts')],
          exclude: [installed],
          sequence: { groupOrder: 1 },
          // They wait for servers, browsers and timers.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
