/** A bare `node:http` server: reads the body and responds with a fixed text. The fastest that Node can be. */
import { createServer } from 'node:http';

import { fixedResponse, listen } from './support.ts';

const body = fixedResponse();
const headers = {
  'content-type': 'application/json; charset=utf-8',
  'content-length': String(Buffer.byteLength(body)),
};

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    Buffer.concat(chunks);
    response.writeHead(200, headers).end(body);
  });
});
server.listen(0, '127.0.0.1', () => listen(server.address()));
