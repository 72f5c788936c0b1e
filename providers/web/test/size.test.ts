import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { expect, it } from 'vitest';

const KIB = 1_024;

/** All that a page needs while nothing unusual happens: see docs/decisions/0037-size-of-the-web-provider.md. */
const LIMIT = 14_400;
/** The part that is loaded when a server redirects. */
const LATER_LIMIT = KIB;

const sizeOf = (contents: Uint8Array): number => gzipSync(contents, { level: 9 }).length;

it('the provider is at most 14.1 KiB, minified and gzipped, without the SDK', async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL('../src/index.ts', import.meta.url).pathname],
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['@openfeature/*'],
    outdir: 'unused',
    write: false,
  });
  const [entry, ...later] = outputFiles;
  const bytes = sizeOf(entry?.contents ?? new Uint8Array());
  expect(entry?.path).toMatch(/index\.js$/);
  expect(bytes).toBeGreaterThan(KIB);
  expect(bytes).toBeLessThanOrEqual(LIMIT);
  expect(later.map(({ path }) => /([\w-]+)-\w+\.js$/.exec(path)?.[1])).toEqual(['redirect-target']);
  for (const { contents } of later) expect(sizeOf(contents)).toBeLessThanOrEqual(LATER_LIMIT);
});
