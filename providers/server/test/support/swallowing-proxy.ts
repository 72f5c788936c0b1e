import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A proxy for TCP whose connections can die silently, as those of a frozen machine do. */
export type SwallowingProxy = {
  readonly port: number;
  /** How many connections are open. */
  readonly connections: () => number;
  /** Discards everything on the connections that are open, also their ends. New ones work. */
  readonly swallow: () => void;
  readonly close: () => void;
};

export const startSwallowingProxy = async (port: number): Promise<SwallowingProxy> => {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer(client => {
    const upstream = connect(port, '127.0.0.1');
    const pair = [client, upstream] as const;
    pairs.add(pair);
    client.pipe(upstream).pipe(client);
    client.on('close', () => pairs.delete(pair));
    client.on('error', () => client.destroy());
    upstream.on('error', () => upstream.destroy());
  });
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => pairs.size,
    swallow() {
      for (const [client, upstream] of pairs) {
        client.unpipe().resume();
        upstream.unpipe().resume();
      }
    },
    close() {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
};
