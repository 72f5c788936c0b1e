import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { expect, it } from 'vitest';

const KIB = 1_024;

/**
 * The limit was 7 KiB before the provider had flags without a server, a logger, names for unknown options,
 * separate subjects without a targeting key, a monotonic clock, the notice of pauses, `refresh`,
 * checks of all options and values, the state of a server that is cut off from its store, shared streams, a storage
 * for several subjects, the errors that end streams, reports of usage, and the events of experiments.
 */
const LIMIT = 17 * KIB;

it('the provider is at most 17 KiB, minified and gzipped, without the SDK', async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL('../src/index.ts', import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['@openfeature/*'],
    write: false,
  });
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length;
  expect(bytes).toBeGreaterThan(KIB);
  expect(bytes).toBeLessThanOrEqual(LIMIT);
});
