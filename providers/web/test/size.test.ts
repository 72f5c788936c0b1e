import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { expect, it } from 'vitest';

const KIB = 1_024;

/** See docs/decisions/0037-size-of-the-web-provider.md. */
const LIMIT = 12_280;

it('the provider is at most 12 KiB, minified and gzipped, without the SDK', async () => {
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
