import { connect, type Socket } from 'node:net';

/** Open streams to one server. */
export type Readers = {
  /** Resolves once each stream has received one more change. */
  readonly nextChange: () => Promise<void>;
  readonly close: () => void;
};

/** How many streams are opened at once. */
const BATCH = 50;

/** Opens streams, each with its own request as text, and resolves once all have received something. */
export const openReaders = async (
  url: string,
  count: number,
  requestOf: (index: number) => string,
): Promise<Readers> => {
  const port = Number(new URL(url).port);
  const sockets: Socket[] = [];
  let waiting = 0;
  let done: () => void = () => undefined;
  const onData = (chunk: Buffer): void => {
    if (!chunk.includes('event: change')) return;
    waiting -= 1;
    if (waiting === 0) done();
  };
  const open = (index: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(requestOf(index)));
      socket.once('error', reject);
      socket.once('data', chunk => {
        if (!chunk.toString().startsWith('HTTP/1.1 200'))
          return reject(new Error(chunk.toString()));
        socket.on('data', onData);
        return resolve();
      });
      sockets.push(socket);
    });
  for (let index = 0; index < count; index += BATCH)
    await Promise.all(
      Array.from({ length: Math.min(BATCH, count - index) }, (_, offset) => open(index + offset)),
    );
  return {
    nextChange: () =>
      new Promise(resolve => {
        waiting = count;
        done = resolve;
      }),
    close: () => sockets.forEach(socket => socket.destroy()),
  };
};
