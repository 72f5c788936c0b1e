import { join } from 'node:path';

import { root } from './written-out.ts';

export type Package = { readonly name: string; readonly folder: string };

/** What is published, each after what it depends on. */
export const PACKAGES: readonly Package[] = [
  { name: '@pennon/engine', folder: join(root, 'packages/engine') },
  { name: '@pennon/sync', folder: join(root, 'packages/sync') },
  { name: '@pennon/client', folder: join(root, 'packages/client') },
  { name: '@pennon/server-provider', folder: join(root, 'providers/server') },
  { name: '@pennon/web-provider', folder: join(root, 'providers/web') },
];
