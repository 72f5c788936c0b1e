import type { Socket } from 'node:net';

import type { FastifyInstance } from 'fastify';

import type { Clock } from '../clock.ts';

/**
 * Strangers are connections that have had no request with a valid key. Each takes up to about 35 KB, for unread
 * bytes of either side, so their number bounds the memory of all of them together.
 */
const MAX_STRANGERS = 500;
/** How long a stranger has to send a key, even if there are many: clients connect all at once after a restart. */
const MIN_AGE_MS = 250;
const CHECK_MS = 250;
/** How many requests of all strangers together may wait for a response to the one before on their connection. */
const MAX_WAITING = 1_000;

type Strangers = {
  /** The open connections of strangers, oldest first, and since when they are open. */
  readonly open: Map<Socket, number>;
  waiting: number;
};

const groups = new WeakMap<Socket, Strangers>();

/** Closes the connections of the oldest strangers if there are too many. */
export const limitStrangers = (app: FastifyInstance, clock: Clock): void => {
  const strangers: Strangers = { open: new Map(), waiting: 0 };
  const closeOldest = () => {
    const latest = clock.monotonic() - MIN_AGE_MS;
    for (const [socket, since] of strangers.open) {
      if (strangers.open.size <= MAX_STRANGERS || since > latest) return;
      strangers.open.delete(socket);
      socket.destroy();
    }
  };
  app.server.on('connection', (socket: Socket) => {
    strangers.open.set(socket, clock.monotonic());
    groups.set(socket, strangers);
    socket.once('close', () => strangers.open.delete(socket));
    closeOldest();
  });
  const stop = clock.every(CHECK_MS, closeOldest);
  app.addHook('onClose', async () => stop());
};

/** Marks a connection that has had a request with a valid key. */
export const recognize = (socket: Socket): void => {
  groups.get(socket)?.open.delete(socket);
};

/** Counts a request of a stranger that must wait. Returns how to end that, or undefined if too many wait. */
export const waitAsStranger = (socket: Socket): (() => void) | undefined => {
  const group = groups.get(socket);
  if (group === undefined || !group.open.has(socket)) return () => undefined;
  if (group.waiting >= MAX_WAITING) return undefined;
  group.waiting += 1;
  return () => void (group.waiting -= 1);
};
