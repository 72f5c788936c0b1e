import { freePorts } from '../../support/free-ports.ts';
import { newDirectory, startServerOn, type RedisServer } from '../servers.ts';

/** A server whose address and data directory stay the same when it restarts. */
export type ServerSlot = {
  readonly url: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined while it is down. */
  running: RedisServer | undefined;
  /** Resolves when the current start is complete. */
  starting: Promise<void>;
  paused: boolean;
  /** The number of times it was paused. */
  pauses: number;
};

export const prepareSlots = async (count: number): Promise<ServerSlot[]> =>
  (await freePorts(count)).map(port => ({
    url: `http://127.0.0.1:${port}`,
    environment: {
      PORT: String(port),
      PENNON_DATA: newDirectory(),
      PENNON_RATE_LIMIT: '0',
      LOG_LEVEL: 'warn',
    },
    running: undefined,
    starting: Promise.resolve(),
    paused: false,
    pauses: 0,
  }));

/** Starts the server of a slot. Resolves once it serves, which requires Redis or a snapshot. */
export const start = (slot: ServerSlot, redis: string): Promise<void> => {
  const begin = async () => {
    slot.running = await startServerOn(redis, slot.environment);
  };
  slot.starting = begin();
  return slot.starting;
};

export const stop = async (slot: ServerSlot, signal: NodeJS.Signals): Promise<void> => {
  const server = slot.running;
  slot.running = undefined;
  await server?.stop(signal);
};

export const pause = async (slot: ServerSlot, ms: number): Promise<void> => {
  slot.paused = true;
  slot.pauses += 1;
  slot.running?.child.kill('SIGSTOP');
  await new Promise(resolve => setTimeout(resolve, ms));
  slot.running?.child.kill('SIGCONT');
  slot.paused = false;
};
