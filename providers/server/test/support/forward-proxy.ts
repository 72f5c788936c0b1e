import { createServer, request as sendRequest } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A forward proxy, as in company networks: it tunnels TLS, and forwards plain requests. */
export type ForwardProxy = {
  readonly port: number;
  /** The method, the target and the credentials of each request. */
  readonly received: readonly string[];
  /** How many requests and tunnels are open. */
  readonly inFlight: () => number;
  readonly close: () => void;
};

export const startForwardProxy = async (): Promise<ForwardProxy> => {
  const received: string[] = [];
  let inFlight = 0;
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    received.push(`${method} ${url} ${headers['proxy-authorization']}`);
    inFlight += 1;
    const upstream = sendRequest(url, { method, headers }, from => {
      response.writeHead(from.statusCode ?? 502, from.headers);
      response.flushHeaders();
      from.pipe(response);
    });
    upstream.on('error', () => response.destroy());
    response.on('close', () => {
      inFlight -= 1;
      upstream.destroy();
    });
    request.pipe(upstream);
  });
  server.on('connect', ({ url = '', headers }, client) => {
    received.push(`CONNECT ${url} ${headers['proxy-authorization']}`);
    inFlight += 1;
    const { hostname, port } = new URL(`https://${url}`);
    const upstream = connect(Number(port || 443), hostname, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    client.on('error', () => client.destroy());
    // The socket of a tunnel stays open after its end otherwise.
    client.on('end', () => client.destroy());
    client.on('close', () => {
      inFlight -= 1;
      upstream.destroy();
    });
  });
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received,
    inFlight: () => inFlight,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
};
