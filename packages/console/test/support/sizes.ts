import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

type Chunk = {
  readonly file: string;
  readonly imports?: readonly string[];
  readonly isDynamicEntry?: boolean;
};

/** Chunks by the paths of their sources. */
type Manifest = Readonly<Record<string, Chunk>>;

const KIB = 1_024;

/** Returns how many KiB of a built file are sent. */
export const sentKib = (folder: string, file: string): number => {
  const path = join(folder, file);
  return statSync(existsSync(`${path}.gz`) ? `${path}.gz` : path).size / KIB;
};

/** Returns a chunk and all that it imports, without those that are known. */
const closureOf = (
  manifest: Manifest,
  name: string,
  known: ReadonlySet<string> = new Set(),
): ReadonlySet<string> => {
  const found = new Set<string>();
  const visit = (each: string): void => {
    if (known.has(each) || found.has(each)) return;
    found.add(each);
    for (const imported of manifest[each]?.imports ?? []) visit(imported);
  };
  visit(name);
  return found;
};

export type Sizes = {
  /** What each page loads first, in KiB of scripts. */
  readonly start: number;
  /** What each part that is loaded later adds, by the path of its source. */
  readonly parts: Readonly<Record<string, number>>;
};

/** Reads from the manifest of a build how much its pages and parts load. */
export const readSizes = (folder: string): Sizes => {
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  const sizeOf = (names: ReadonlySet<string>): number =>
    [...names].reduce((sum, name) => sum + sentKib(folder, manifest[name]?.file ?? ''), 0);
  const start = closureOf(manifest, 'index.html');
  const parts = Object.entries(manifest)
    .filter(([, { file, isDynamicEntry }]) => isDynamicEntry === true && file.endsWith('.js'))
    .map(([name]) => [name, sizeOf(closureOf(manifest, name, start))]);
  return { start: sizeOf(start), parts: Object.fromEntries(parts) };
};
