import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Package } from '../../src/packages.ts';
import { PACKAGES } from '../../src/packages.ts';
import { run } from './run.ts';

/** A package as users install it. */
export type Packed = Package & {
  readonly tarball: string;
  /** The folder with the unpacked tarball. */
  readonly unpacked: string;
  readonly files: readonly string[];
  readonly text: (file: string) => string;
  readonly manifest: Manifest;
};

type Manifest = {
  readonly version: string;
  readonly exports: Readonly<Record<string, { readonly development?: object }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
};

/** Runs `pnpm pack` in the folder of the package, as a release does. */
const pack = async (each: Package, directory: string): Promise<Packed> => {
  const before = new Set(readdirSync(directory));
  await run('npx', ['-y', 'pnpm', 'pack', '--pack-destination', directory], { cwd: each.folder });
  const tarball = join(directory, readdirSync(directory).find(name => !before.has(name)) ?? '');
  const unpacked = tarball.replace(/\.tgz$/, '');
  mkdirSync(unpacked);
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', unpacked], { cwd: directory });
  const text = (file: string) => readFileSync(join(unpacked, file), 'utf8');
  const files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' })
    .filter(file => statSync(join(unpacked, file)).isFile())
    .toSorted();
  return { ...each, tarball, unpacked, files, text, manifest: JSON.parse(text('package.json')) };
};

/** One after the other, because the build of a package also builds its dependencies. */
export const packAll = async (directory: string): Promise<readonly Packed[]> => {
  const packed: Packed[] = [];
  // oxlint-disable-next-line no-await-in-loop
  for (const each of PACKAGES) packed.push(await pack(each, directory));
  return packed;
};
