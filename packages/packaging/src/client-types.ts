/**
 * Makes `dist/router.d.ts` of @pennon/client stand on its own. In the repository that module takes the
 * router's types from the server; here the declarations that the compiler wrote for the server's router
 * are copied, and each type that they name is written out beside them.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { localNames, requireSelfContained, root, writtenOut } from './written-out.ts';

const routerModule = join(root, 'server/dist/router/index.d.ts');
const published = 'dist/router.d.ts';

/** For the package @pennon/client in the current directory. */
export const writeOutRouter = (): void => {
  const router = localNames(readFileSync(routerModule, 'utf8'));
  const types = writtenOut(router.named, dirname(routerModule));
  const text = [
    '// The types of the router, written out. Do not edit.',
    ...[...types].map(([name, type]) => `type ${name} = ${type};`),
    router.text
      .replace('export declare const', 'declare const')
      .replace(/^\/\/# sourceMappingURL.*\n?/m, ''),
  ].join('\n');
  requireSelfContained(text);
  writeFileSync(published, text);
  // It would lead to a module of the repository.
  rmSync(`${published}.map`, { force: true });
};
