import { join, resolve } from 'node:path';

/** The root of the repository. */
export const root = resolve(import.meta.dirname, '../../..');

export type Package = { readonly name: string; readonly folder: string };

/** The published packages, each after the packages that it depends on. */
export const PACKAGES: readonly Package[] = [
  { name: '@pennon/engine', folder: join(root, 'packages/engine') },
  { name: '@pennon/sync', folder: join(root, 'packages/sync') },
  { name: '@pennon/client', folder: join(root, 'packages/client') },
  { name: '@pennon/server-provider', folder: join(root, 'providers/server') },
  { name: '@pennon/web-provider', folder: join(root, 'providers/web') },
];
