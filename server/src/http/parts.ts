import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

import type { FastifyInstance, FastifyReply } from 'fastify';

import { bytesOfText, type SharedText } from '../flag-set/text.ts';
import { once } from '../once.ts';
import { nextTurn } from '../slices.ts';

/** How much of a response waits for a reader. The rest stays in memory that all of its readers share. */
export const PART_BYTES = 65_536;

/**
 * Sends large bodies in parts, each once the reader has received the previous one. A body in one piece would be
 * copied for each reader that is slow.
 */
export const sendInParts = (app: FastifyInstance): void => {
  app.addHook('onSend', async (_, reply, payload: unknown) => {
    const bytes = largeBytes(payload);
    if (bytes === undefined) return payload;
    reply.header('content-length', bytes.length);
    return streamOf(bytes);
  });
};

const largeBytes = (payload: unknown): Buffer | undefined => {
  if (typeof payload === 'string' && payload.length > PART_BYTES) return Buffer.from(payload);
  return Buffer.isBuffer(payload) && payload.length > PART_BYTES ? payload : undefined;
};

const streamOf = (bytes: Buffer): Readable => {
  let sent = 0;
  return new Readable({
    highWaterMark: PART_BYTES,
    read() {
      const part = bytes.subarray(sent, sent + PART_BYTES);
      sent += part.length;
      this.push(part.length === 0 ? null : part);
    },
  });
};

/** Joins small pieces and divides large ones, into parts of at most `PART_BYTES`. */
export function* partsOf(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    if (bytes + piece.length > PART_BYTES && bytes > 0) {
      yield joined(waiting);
      [waiting, bytes] = [[], 0];
    }
    if (piece.length > PART_BYTES) yield* divided(piece);
    else {
      waiting.push(piece);
      bytes += piece.length;
    }
  }
  if (bytes > 0) yield joined(waiting);
}

const joined = (pieces: readonly Uint8Array[]): Uint8Array => {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
};

function* divided(piece: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < piece.length; start += PART_BYTES)
    yield piece.subarray(start, start + PART_BYTES);
}

/** Returns a payload of pieces that readers may share. Each part is sent once the reader has received the previous one. */
export const streamPieces = (reply: FastifyReply, pieces: SharedText): Readable => {
  reply.header('content-length', bytesOfText(pieces));
  return Readable.from(inTurns(partsOf(pieces)));
};

/** A reader on the same machine can take all parts at once, so other work gets a turn in between. */
export async function* inTurns<Item>(items: Iterable<Item>): AsyncGenerator<Item, void> {
  for (const item of items) {
    yield item;
    await nextTurn();
  }
}

/** Writes pieces in parts, after the head if the response has chunks. Resolves once the reader has room for more, or is closed. */
export const writeInParts = async (
  response: ServerResponse,
  pieces: Iterable<Uint8Array>,
): Promise<void> => {
  let isFirst = true;
  for (const part of partsOf(pieces)) {
    if (!isFirst) await nextTurn();
    isFirst = false;
    if (response.destroyed) return;
    if (!writePart(response, part) && !response.destroyed) await drained(response);
  }
};

/** Larger parts are not copied, so that readers which are slow share them. */
const MAX_COPIED_BYTES = 16_384;

/**
 * Writes a part. Node.js writes a chunk as three buffers, through a queue, which takes half as long again as one
 * buffer in the same form.
 */
const writePart = (response: ServerResponse, part: Uint8Array): boolean =>
  response.chunkedEncoding && response.socket !== null && part.length <= MAX_COPIED_BYTES
    ? response.socket.write(chunkOf(part))
    : response.write(part);

/** Returns a part as a chunk. Made once for all streams that send the same part. */
const chunkOf = once((part: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, CHUNK_END]),
);

const CHUNK_END = Buffer.from('\r\n');

const drained = (response: ServerResponse): Promise<void> =>
  new Promise(resolve => {
    const connection = response.socket ?? response;
    const done = () => {
      connection.off('drain', done);
      response.off('close', done);
      resolve();
    };
    connection.on('drain', done);
    response.on('close', done);
  });
