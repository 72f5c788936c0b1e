import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { build } from 'esbuild';

/** A web server for one page, on its own origin and with a strict content security policy. */
export type Pages = {
  readonly origin: string;
  close(): Promise<void>;
};

const bundle = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [new URL(`../pages/${entry}`, import.meta.url).pathname],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"production"' },
    write: false,
  });
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
