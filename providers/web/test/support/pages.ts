import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';

import type { Plugin } from 'esbuild';
import { build } from 'esbuild';

import { writePublished } from './published.ts';

/** A web server for one page, on its own origin and with a strict content security policy. */
export type Pages = {
  readonly origin: string;
  close(): Promise<void>;
};

/** Replaces the sources of the provider by the published code, in which properties have shorter names. */
const usePublished = (path: string): Plugin => ({
  name: 'published',
  setup: page => page.onResolve({ filter: /\/src\/index\.ts$/ }, () => ({ path })),
});

const bundle = async (entry: string): Promise<string> => {
  const published = await writePublished();
  const { outputFiles } = await build({
    plugins: [usePublished(published)],
    // The folder of the published code has no dependencies.
    nodePaths: [new URL('../../node_modules', import.meta.url).pathname],
    entryPoints: [new URL(`../pages/${entry}`, import.meta.url).pathname],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' },
    write: false,
  });
  rmSync(dirname(dirname(published)), { recursive: true });
  return outputFiles[0]?.text ?? '';
};

/** Allows only the script of the page, and connections to the flag server. */
const policy = (flagServer: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `connect-src ${flagServer}`,
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');

/** Serves a page with this HTML body, and with the bundled script after it. */
export const servePages = async (
  entry: string,
  body: string,
  flagServer: string,
): Promise<Pages> => {
  const script = await bundle(entry);
  const html = `<!doctype html><title>Flags</title><link rel="icon" href="data:,">${body}<script type="module" src="/page.js"></script>`;
  const server = createServer((request, response) => {
    const isScript = request.url?.startsWith('/page.js') === true;
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8',
      'content-security-policy': policy(flagServer),
    });
    response.end(isScript ? script : html);
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
};
