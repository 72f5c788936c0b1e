import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { PennonError } from '../errors.ts';
import type { Upload } from '../import-export/check.ts';
import { acceptOnlyJson, requirePlainUtf8 } from './body.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was received, on routes whose procedure parses it itself. */
    upload: Upload['bytes'] | undefined;
  }
}

/** How many bytes of uploads the server holds at once. */
const MAX_HELD_BYTES = 128 * 1_048_576;

/** Makes the routes of a scope receive their bodies as they are. */
export type ReceiveUploads = (scope: FastifyInstance, maxBytes: number) => void;

/** Limits all uploads together: a further one is refused before its body is read. */
export const limitUploads = (app: FastifyInstance): ReceiveUploads => {
  app.decorateRequest('upload', undefined);
  let held = 0;

  const hold = (request: FastifyRequest, reply: FastifyReply, maxBytes: number): number => {
    const bytes = Number(request.headers['content-length'] ?? maxBytes);
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    if (held + bytes > MAX_HELD_BYTES) throw tooMany();
    held += bytes;
    reply.raw.once('close', () => (held -= bytes));
    return bytes;
  };

  return (scope, maxBytes) => {
    const sizes = new WeakMap<FastifyRequest, number>();
    acceptOnlyJson(scope);
    scope.addHook('preParsing', async (request, reply, payload) => {
      if (hasBody(request)) sizes.set(request, hold(request, reply, maxBytes));
      return payload;
    });
    scope.addContentTypeParser(
      'application/json',
      async (request: FastifyRequest, payload: AsyncIterable<Buffer>) => {
        requirePlainUtf8(request);
        request.upload = await receive(payload, sizes.get(request) ?? 0);
        return request.upload;
      },
    );
  };
};

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

/** Receives a body into one block of memory, so that it need not be copied once it is complete. */
const receive = async (
  payload: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<Upload['bytes']> => {
  // It is not filled with zeros first: only what has been received is used.
  const memory = Buffer.allocUnsafeSlow(maxBytes);
  let length = 0;
  for await (const chunk of payload) {
    if (length + chunk.length > maxBytes) throw tooLarge(maxBytes);
    memory.set(chunk, length);
    length += chunk.length;
  }
  return memory.subarray(0, length);
};

const tooLarge = (maxBytes: number) =>
  new PennonError('PAYLOAD_TOO_LARGE', `the body must be at most ${maxBytes} bytes`);

const tooMany = () =>
  new PennonError('TOO_MANY_REQUESTS', 'other imports are in progress: try again later', {
    retryAfterSeconds: 1,
  });
