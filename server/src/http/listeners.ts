import { once } from 'node:events';
import type { Server } from 'node:http';
import { Server as NetServer, type AddressInfo } from 'node:net';

/** Where to listen. A name can have several addresses, all with the same port. */
export type ListenAddress = {
  readonly host: string;
  readonly otherHosts?: readonly string[];
  /** 0 for a free one. */
  readonly port: number;
};

/** The sockets that accept the connections of one HTTP server. */
export type Listeners = {
  /** One for each address. */
  readonly urls: readonly string[];
  readonly port: number;
  /** Stops accepting connections on all addresses, and leaves those that are open. */
  readonly stop: () => Promise<void>;
  /** Resolves once no address accepts connections and all of them are closed. */
  readonly closed: Promise<unknown>;
};

/** The same as those of an HTTP server. */
const CONNECTION_OPTIONS = { allowHalfOpen: true, noDelay: true };

/**
 * Listens with one HTTP server on all addresses, so that every connection has its limits and time-outs. Fastify would
 * create a server of its own for each further address of `localhost`. Rejects if the first address is not available;
 * each other that is not is passed to `onLeftOut`.
 */
export const listenOnAll = async (
  server: Server,
  { host, otherHosts = [], port }: ListenAddress,
  onLeftOut: (host: string, error: unknown) => void = () => {},
): Promise<Listeners> => {
  await listenOn(server, host, port);
  const listeners: NetServer[] = [server];
  for (const otherHost of otherHosts) {
    const other = new NetServer(CONNECTION_OPTIONS, socket => server.emit('connection', socket));
    await listenOn(other, otherHost, addressOf(server).port).then(
      () => listeners.push(other),
      (error: unknown) => onLeftOut(otherHost, error),
    );
  }
  return {
    urls: listeners.map(urlOf),
    port: addressOf(server).port,
    stop: () => stopListening(server, listeners),
    closed: Promise.all(listeners.map(whenClosed)),
  };
};

const whenClosed = (listener: NetServer): Promise<void> =>
  new Promise(resolve => listener.once('close', () => resolve()));

const listenOn = async (listener: NetServer, host: string, port: number): Promise<void> => {
  listener.listen(port, host);
  await once(listener, 'listening');
};

const addressOf = (listener: NetServer): AddressInfo => {
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address;
};

const urlOf = (listener: NetServer): string => {
  const { address, family, port } = addressOf(listener);
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
};

const MAX_TURNS = 1_000;

/**
 * Stops accepting connections, right after a turn of the event loop in which none arrived: the system resets
 * those that still wait, and a proxy may not repeat their requests at another server. Unlike the method of the
 * HTTP server, this leaves connections open that have not sent their request yet.
 */
const stopListening = async (server: Server, listeners: readonly NetServer[]): Promise<void> => {
  let isQuiet = false;
  const onConnection = () => {
    isQuiet = false;
  };
  server.on('connection', onConnection);
  for (let turn = 0; turn < MAX_TURNS && !isQuiet; turn += 1) {
    isQuiet = true;
    await new Promise(resolve => setImmediate(resolve));
  }
  server.off('connection', onConnection);
  for (const listener of listeners) NetServer.prototype.close.call(listener);
};
