import { freePorts } from '../processes.ts';
import { newDirectory, startServerOn, type RedisServer } from '../servers.ts';

/** A server with an address and a data directory of its own, which come back with it. */
export type Place = {
  readonly url: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined while it is down. */
  running: RedisServer | undefined;
  /** The start that is under way. */
  starting: Promise<void>;
  paused: boolean;
  /** How often it was paused. */
  pauses: number;
};

export const preparePlaces = async (count: number): Promise<Place[]> =>
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

/** Starts the server of a place; resolves once it serves, which takes Redis or a copy. */
export const start = (place: Place, redis: string): Promise<void> => {
  const begin = async () => {
    place.running = await startServerOn(redis, place.environment);
  };
  place.starting = begin();
  return place.starting;
};

export const stop = async (place: Place, signal: NodeJS.Signals): Promise<void> => {
  const server = place.running;
  place.running = undefined;
  await server?.stop(signal);
};

export const pause = async (place: Place, ms: number): Promise<void> => {
  place.paused = true;
  place.pauses += 1;
  place.running?.child.kill('SIGSTOP');
  await new Promise(resolve => setTimeout(resolve, ms));
  place.running?.child.kill('SIGCONT');
  place.paused = false;
};
