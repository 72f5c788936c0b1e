import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

const root = new URL('..', import.meta.url).pathname;
const tests = '{server,packages/*,providers/*}/test/**/*.test.ts';
const startsProcesses = '**/*.system.test.ts';
const installed = '**/node_modules/**';

/** The path of the report that `pnpm test` reads. Unset if Vitest is run directly. */
const report = process.env['VITEST_JSON_REPORT'];

/** Tests within this process. Files that need no isolation share their modules: half the time. */
const inProcess = (name: string, include: string[], isolate: boolean) => ({
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
 * `unit` tests call the packages and providers in this process, in under a minute. `server` tests
 * send requests to the whole server in this process. `system` tests start servers, databases and
 * browsers as separate processes, after the others, so they do not slow each other down.
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
      inProcess('unit', ['.ci/*.test.ts', 'packages/*/test/**/*.test.ts'], false),
      // The SDKs of OpenFeature keep their providers in global state.
      inProcess('unit-providers', ['providers/*/test/**/*.test.ts'], true),
      inProcess('server', ['server/test/**/*.test.ts'], false),
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
