import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

import { freePort } from '../support/free-ports.ts';

/** A network between a client and a server that can fail. */
export type Proxy = {
  readonly port: number;
  /** Drops everything that the server sends. */
  loseReplies(): void;
  /** Closes every connection, and refuses new ones. */
  refuse(): void;
  /** Accepts connections and forwards both directions again, for new connections. */
  heal(): void;
  /** Closes every connection. */
  cut(): void;
  close(): Promise<void>;
};

export const startProxy = async (target: number): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  // One that no other process is given while the proxy refuses connections.
  const port = await freePort();
  let losing = false;

  const server = createServer(client => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
    }
    client.on('data', data => upstream.write(data));
    upstream.on('data', data => losing || client.write(data));
    client.once('close', () => upstream.end());
    upstream.once('close', () => client.destroy());
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');

  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };

  return {
    port,
    loseReplies: () => void (losing = true),
    refuse() {
      server.close();
      cut();
    },
    heal() {
      losing = false;
      if (!server.listening) server.listen(port, '127.0.0.1');
    },
    cut,
    async close() {
      cut();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
};
