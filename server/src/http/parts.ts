import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

import type { FastifyInstance } from 'fastify';

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

/** Writes bytes in parts. Resolves once the reader has room for more, or is closed. */
export const writeInParts = async (response: ServerResponse, bytes: Uint8Array): Promise<void> => {
  for (let sent = 0; sent < bytes.length && !response.destroyed; sent += PART_BYTES) {
    const hasRoom = response.write(bytes.subarray(sent, sent + PART_BYTES));
    if (!hasRoom && !response.destroyed) await drained(response);
  }
};

const drained = (response: ServerResponse): Promise<void> =>
  new Promise(resolve => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
