/**
 * Makes `dist/router.d.ts` of @pennon/client self-contained. In the repository that module re-exports a
 * type of the server. For publishing, the declarations that the compiler wrote for the server's router
 * are copied, with every type that they refer to.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { extractReferences, inlineTypes, requireSelfContained } from './inline-types.ts';
import { root } from './packages.ts';

const routerModule = join(root, 'server/dist/router/index.d.ts');
const published = 'dist/router.d.ts';

/** Works on the package @pennon/client in the current directory. */
export const inlineRouterTypes = (): void => {
  const router = extractReferences(readFileSync(routerModule, 'utf8'));
  const types = inlineTypes(router.references, dirname(routerModule));
  const text = [
    '// The types of the router, with all types that they refer to. Do not edit.',
    ...[...types].map(([name, type]) => `type ${name} = ${type};`),
    router.text
      .replace('export declare const', 'declare const')
      .replace(/^\/\/# sourceMappingURL.*\n?/m, ''),
  ].join('\n');
  requireSelfContained(text);
  writeFileSync(published, text);
  // The map would refer to a module of the repository.
  rmSync(`${published}.map`, { force: true });
};
