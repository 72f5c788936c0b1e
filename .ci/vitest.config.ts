import { defineConfig } from 'vitest/config';

const root = new URL('..', import.meta.url).pathname;

/** `unit` runs in this process in under a minute; `system` starts real servers as processes of their own. */
export default defineConfig({
  root,
  test: {
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: [
            '.ci/*.test.ts',
            '{packages,providers}/*/test/**/*.test.ts',
            'server/test/**/*.test.ts',
          ],
          exclude: ['**/node_modules/**', '**/*.system.test.ts'],
        },
      },
      {
        root,
        test: {
          name: 'system',
          include: [
            '{packages,providers}/*/test/**/*.system.test.ts',
            'server/test/**/*.system.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
