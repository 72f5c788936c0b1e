import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { expect, it } from 'vitest';

import { writePublished } from './support/published.ts';

const KIB = 1_024;

/** See docs/decisions/0037-size-of-the-web-provider.md. */
const LIMIT = 12_100;

it('the published provider is below 12 KiB in a page, minified and gzipped, without the SDK', async () => {
  const published = await writePublished();
  const { outputFiles } = await build({
    entryPoints: [published],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['@openfeature/*'],
    write: false,
  });
  rmSync(dirname(dirname(published)), { recursive: true });
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length;
  expect(bytes).toBeGreaterThan(KIB);
  expect(bytes).toBeLessThanOrEqual(LIMIT);
});
