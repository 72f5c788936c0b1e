import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

const Names = z.record(z.string(), z.string()).default({});
const Entry = z.object({ types: z.string(), default: z.string() });
const Formats = z.object({ import: Entry, require: Entry });

/** What the build reads from the `package.json` of a published package. */
const Manifest = z.object({
  name: z.string(),
  dependencies: Names,
  peerDependencies: Names,
  publishConfig: z.object({
    /** Bundlers choose `development` while an application is developed. */
    exports: z.record(z.string(), Formats.extend({ development: Formats.optional() })),
  }),
});
export type Manifest = z.infer<typeof Manifest>;

/** Reads the manifest of the package in the current directory. */
export const readManifest = (): Manifest =>
  Manifest.parse(JSON.parse(readFileSync('package.json', 'utf8')));

/** The packages that users install if they install this one. */
export const dependencyNames = ({ dependencies, peerDependencies }: Manifest): string[] =>
  Object.keys({ ...dependencies, ...peerDependencies });

const Installed = z.object({
  name: z.string(),
  version: z.string(),
  types: z.string().optional(),
  exports: z
    .union([
      z.record(z.string(), z.unknown()),
      z.string().transform((path): Record<string, unknown> => ({ '.': path })),
    ])
    .default({}),
});

/** Reads the manifest of an installed package. `folder` is the root of that package. */
export const readInstalled = (folder: string): z.infer<typeof Installed> =>
  Installed.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
