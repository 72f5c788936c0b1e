/** A bare `node:http` server that writes the same event to all streams: the least that a broadcast can cost. */
import { createServer, type ServerResponse } from 'node:http';

import { listen } from '../http/servers/support.ts';

const streams = new Set<ServerResponse>();
const server = createServer((request, response) => {
  if (request.url === '/change') {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const event = Buffer.concat(chunks);
      for (const stream of streams) stream.write(event);
      response.end();
    });
    return;
  }
  request.resume();
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write('event: current\n\n');
  streams.add(response);
  response.once('close', () => streams.delete(response));
});
server.listen(0, '127.0.0.1', () => listen(server.address()));
