import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Systems choose the ports of connections, and of servers that do not name one, from a range that begins at
 * 32,768 or above. So no other process is given one of these between its choice and its use, or while the
 * server on it restarts.
 */
const [FIRST, COUNT] = [20_000, 12_000];

/** Each of the processes that run test files at the same time has ports of its own. */
const SHARES = 8;
const share = Number(process.env['VITEST_POOL_ID'] ?? 0) % SHARES;
const size = COUNT / SHARES;
/** Files that run one after the other begin at different ports. */
let used = process.pid * 97;

const nextPort = (): number => {
  used += 1;
  return FIRST + share * size + (used % size);
};

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  await once(server.close(), 'close');
  return true;
};

/** Returns a port that is free, and that is not returned again soon. */
export const freePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < size; attempt += 1) {
    const port = nextPort();
    if (await isFree(port)) return port;
  }
  throw new Error('no free port');
};

/** Returns different ports that are free. */
export const freePorts = async (count: number): Promise<number[]> => {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
};
