import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves a page with one script and one `output` element. */
export const servePage = async (
  script: string,
): Promise<{ readonly url: string; [Symbol.asyncDispose](): Promise<void> }> => {
  const html = '<!doctype html><output></output><script type="module" src="/script.js"></script>';
  const server = createServer((request, response) => {
    const isScript = request.url === '/script.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : html);
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
};
