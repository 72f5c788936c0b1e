import type { FastifyReply, FastifyRequest } from 'fastify';

import { PennonError } from '../errors.ts';
import type { Upload } from '../import-export/check.ts';
import { isUpload } from './body.ts';

/** How many bytes of uploads the server holds at once. */
const MAX_HELD_BYTES = 128 * 1_048_576;

/** Returns a hook for a route whose body may have so many bytes. */
export type Uploads = (
  maxBytes: number,
) => (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** Refuses an upload before its body is read if it and those in progress would take too much memory. */
export const limitUploads = (): Uploads => {
  let held = 0;
  return maxBytes => async (request, reply) => {
    const bytes = Math.min(Number(request.headers['content-length'] ?? maxBytes), maxBytes);
    if (held + bytes > MAX_HELD_BYTES) throw tooMany();
    held += bytes;
    reply.raw.once('close', () => (held -= bytes));
  };
};

const tooMany = () =>
  new PennonError('TOO_MANY_REQUESTS', 'other imports are in progress: try again later', {
    retryAfterSeconds: 1,
  });

/** Returns the body of an upload; undefined on other routes. */
export const uploadOf = (request: FastifyRequest, form: Upload['form']): Upload | undefined => {
  if (!isUpload(request)) return undefined;
  const { body } = request;
  return { bytes: body instanceof Uint8Array ? onOwnMemory(body) : new Uint8Array(), form };
};

/** Returns the bytes without a copy, unless their memory belongs to several threads. */
const onOwnMemory = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
