import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';

/** The largest flag set that a server can have, and its envelope. A compressed body may be far larger than it looks. */
const MAX_BYTES = 257 * 1_048_576;

/** Returns the body of a response without its content coding. Fails if it is too large or not valid. */
export const decode = async (message: IncomingMessage): Promise<Readable> => {
  const coding = message.headers['content-encoding'] ?? 'identity';
  if (coding === 'identity') return message;
  const decoder = await createDecoder(coding);
  if (decoder === undefined) {
    message.destroy();
    throw new Error(`the response has the coding "${coding}", which was not requested`);
  }
  const { pipeline, Readable: Stream } = await import('node:stream');
  // An error of one stream destroys the other, and the reader of the last one receives it.
  pipeline(message, decoder, () => undefined);
  return Stream.from(limited(decoder));
};

const createDecoder = async (coding: string): Promise<Transform | undefined> => {
  const { createBrotliDecompress, createGunzip } = await import('node:zlib');
  if (coding === 'br') return createBrotliDecompress();
  return coding === 'gzip' ? createGunzip() : undefined;
};

async function* limited(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES)
      throw new Error(`the response has more than ${MAX_BYTES} bytes after decompression`);
    yield chunk;
  }
}
