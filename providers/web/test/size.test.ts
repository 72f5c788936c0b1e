import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { Plugin } from 'esbuild';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

import { writePublished } from './support/published.ts';

/** Of all that a page loads. See docs/decisions/0037-size-of-the-web-provider.md. */
const LIMIT = 12_200;
/** Of what the events of experiments add to it. */
const EVENTS_LIMIT = 2_048;

const folder = new URL('..', import.meta.url).pathname;

/** Returns the bytes of a file and what it imports, as a page loads them: minified, gzipped, without the SDK. */
const bytesInPage = async (file: string): Promise<number> => {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['@openfeature/*'],
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length;
};

/**
 * Bundles the sources as `bundleInto` in packages/packaging/src/bundle.ts does, and returns the bytes in a page. The
 * published package is one file, in which no module can be replaced.
 */
const bytesFromSources = async (plugins: Plugin[]): Promise<number> => {
  const names: unknown = JSON.parse(await readFile(join(folder, 'short-names.json'), 'utf8'));
  const outdir = mkdtempSync(join(tmpdir(), 'pennon-size-'));
  await build({
    entryPoints: ['src/index.ts', 'src/development.ts'],
    absWorkingDir: folder,
    outdir,
    bundle: true,
    external: ['@openfeature/*'],
    mangleProps: new RegExp(`^(?:${[names].flat().join('|')})$`),
    splitting: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    minifySyntax: true,
    target: 'es2023',
    plugins,
  });
  const bytes = await bytesInPage(join(outdir, 'index.js'));
  rmSync(outdir, { recursive: true });
  return bytes;
};

/** Replaces the module by one that does nothing. What only it imports is left out too. */
const withoutEvents: Plugin = {
  name: 'without-events',
  setup(builder) {
    builder.onLoad({ filter: /\/web\/src\/events\.ts$/ }, () => ({
      contents: 'export const createEvents = () => ({});',
    }));
  },
};

it('the published provider is below 12 KiB in a page, minified and gzipped, without the SDK', async () => {
  const published = await writePublished();
  const bytes = await bytesInPage(published);
  rmSync(dirname(dirname(published)), { recursive: true });
  expect(bytes).toBeGreaterThan(1_024);
  expect(bytes).toBeLessThanOrEqual(LIMIT);
  // Otherwise the settings here are not those of the published package, and the next test does not measure it.
  expect(await bytesFromSources([])).toBe(bytes);
});

it('the events of experiments cost a page at most 2 KiB of it', async () => {
  const bytes = (await bytesFromSources([])) - (await bytesFromSources([withoutEvents]));
  expect(bytes).toBeGreaterThan(1_024);
  expect(bytes).toBeLessThanOrEqual(EVENTS_LIMIT);
});
