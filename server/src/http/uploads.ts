import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Clock } from '../clock.ts';
import { bodyTooLarge, PennonError } from '../errors.ts';
import type { Upload } from '../import-export/check.ts';
import { acceptOnlyJson, requirePlainUtf8 } from './body.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was received, on routes whose procedure parses it itself. */
    upload: Upload['blocks'] | undefined;
  }
}

const MIB = 1_048_576;
/** How many bytes of uploads the server holds at once. */
const MAX_HELD_BYTES = 128 * MIB;
/** How many of them may be from keys of one environment. The rest is for keys for all environments. */
const MAX_HELD_BYTES_OF_ENVIRONMENTS = 64 * MIB;

/** The memory that an upload takes at first, and by how much it grows at most. */
const [FIRST_BYTES, MAX_BLOCK_BYTES] = [65_536, MIB];

/**
 * How much of an upload must arrive in any period. It is two thirds of 64 KiB every 10 s, so that an upload that is
 * that fast may arrive in bursts.
 */
const MIN_RATE = { bytes: 131_072, periodMs: 30_000, checkMs: 10_000 } as const;

/** Makes the routes of a scope receive their bodies as they are. */
export type ReceiveUploads = (scope: FastifyInstance, maxBytes: number) => void;

/** Connections with an upload that is arriving. Its rate bounds its time, in place of the time-out of a request. */
const receiving = new WeakSet<Socket>();

/** Whether an upload is arriving on a connection. */
export const isReceivingUpload = (socket: Socket): boolean => receiving.has(socket);

/** Limits all uploads together. Each one counts with the memory that it takes, which grows as it arrives. */
export const limitUploads = (app: FastifyInstance, clock: Clock): ReceiveUploads => {
  app.decorateRequest('upload', undefined);
  const held = createHeldBytes();
  return (scope, maxBytes) => {
    const receptions = new WeakMap<FastifyRequest, Reception>();
    acceptOnlyJson(scope);
    scope.addHook('preParsing', async (request, reply, payload) => {
      if (hasBody(request)) receptions.set(request, admit(held, request, { reply, maxBytes }));
      return payload;
    });
    scope.addContentTypeParser(
      'application/json',
      async (request: FastifyRequest, payload: IncomingMessage) => {
        requirePlainUtf8(request);
        const reception = receptions.get(request);
        request.upload = reception && (await receive(payload, reception, clock));
        return request.upload;
      },
    );
  };
};

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

/** The bytes that all uploads hold. */
type HeldBytes = {
  /** Throws TOO_MANY_REQUESTS if there is no room for so many more. */
  requireRoom(bytes: number, isOfEnvironment: boolean): void;
  add(bytes: number, isOfEnvironment: boolean): void;
};

const createHeldBytes = (): HeldBytes => {
  let all = 0;
  let ofEnvironments = 0;
  return {
    requireRoom(bytes, isOfEnvironment) {
      const isOver = isOfEnvironment && ofEnvironments + bytes > MAX_HELD_BYTES_OF_ENVIRONMENTS;
      if (isOver || all + bytes > MAX_HELD_BYTES) throw tooMany();
    },
    add(bytes, isOfEnvironment) {
      all += bytes;
      if (isOfEnvironment) ofEnvironments += bytes;
    },
  };
};

/** What one upload may hold. */
type Reception = {
  readonly maxBytes: number;
  /** Counts the memory of the upload. Throws TOO_MANY_REQUESTS if there is no room for it. */
  readonly hold: (bytes: number) => void;
  /** Makes the connection end with the response, because the rest of the body is thrown away. */
  readonly endConnection: () => void;
};

/** Refuses an upload before its body is read if it is too large, or too large for what is free at the moment. */
const admit = (
  held: HeldBytes,
  request: FastifyRequest,
  { reply, maxBytes }: { readonly reply: FastifyReply; readonly maxBytes: number },
): Reception => {
  const isOfEnvironment = request.caller?.everywhere === undefined;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw bodyTooLarge(maxBytes);
  held.requireRoom(announced, isOfEnvironment);
  let own = 0;
  reply.raw.once('close', () => held.add(-own, isOfEnvironment));
  return {
    maxBytes: announced || maxBytes,
    hold(bytes) {
      held.requireRoom(bytes - own, isOfEnvironment);
      held.add(bytes - own, isOfEnvironment);
      own = bytes;
    },
    endConnection: () => void reply.header('connection', 'close'),
  };
};

/** Receives a body into memory that nothing else uses. */
const receive = async (
  payload: IncomingMessage,
  reception: Reception,
  clock: Clock,
): Promise<Upload['blocks']> => {
  const { socket } = payload;
  try {
    const blocks = createBlocks(reception);
    receiving.add(socket);
    await readAll(payload, blocks, clock);
    return blocks.all();
  } catch (error) {
    reception.endConnection();
    throw error;
  } finally {
    receiving.delete(socket);
  }
};

/** The memory of an upload. Nothing is copied when it grows, because that takes long if it is large. */
type Blocks = {
  readonly append: (chunk: Buffer) => void;
  readonly length: () => number;
  readonly all: () => Upload['blocks'];
};

const createBlocks = ({ maxBytes, hold }: Reception): Blocks => {
  const full: Upload['blocks'][number][] = [];
  let block = Buffer.allocUnsafeSlow(0);
  let free = block;
  let [length, held] = [0, 0];
  const used = () => block.subarray(0, block.length - free.length);
  /** Each block is as large as all before it, so that small uploads take little memory and large ones have few. */
  const grow = () => {
    if (length >= maxBytes) throw bodyTooLarge(maxBytes);
    const bytes = Math.min(Math.max(length, FIRST_BYTES), MAX_BLOCK_BYTES, maxBytes - length);
    hold(held + bytes);
    held += bytes;
    if (block.length > 0) full.push(block);
    // It is not filled with zeros first: only what has been received is used.
    block = Buffer.allocUnsafeSlow(bytes);
    free = block;
  };
  return {
    append(chunk) {
      for (let rest = chunk; rest.length > 0;) {
        if (free.length === 0) grow();
        const copied = rest.copy(free);
        [free, rest] = [free.subarray(copied), rest.subarray(copied)];
        length += copied;
      }
    },
    length: () => length,
    all: () => [...full, used()],
  };
};

/** Resolves at the end of a body. Rejects, and throws the rest away, if it is too large or too slow. */
const readAll = (payload: IncomingMessage, blocks: Blocks, clock: Clock): Promise<void> =>
  new Promise<void>((resolve, reject) => {
    const isSlow = createRateCheck(blocks);
    const stop = clock.every(MIN_RATE.checkMs, () => {
      if (isSlow()) fail(tooSlow());
    });
    const append = (chunk: Buffer) => {
      try {
        blocks.append(chunk);
      } catch (error) {
        fail(error);
      }
    };
    const fail = (error: unknown) => {
      stop();
      payload.off('data', append).resume();
      reject(error);
    };
    payload.on('data', append).once('error', fail);
    payload.once('end', () => {
      stop();
      resolve();
    });
    payload.once('close', () => fail(tooSlow()));
  });

/** Returns a check, to be made at intervals, of whether too little has arrived in the last period. */
const createRateCheck = ({ length }: Pick<Blocks, 'length'>): (() => boolean) => {
  const lengths = Array.from({ length: MIN_RATE.periodMs / MIN_RATE.checkMs }, () => -Infinity);
  lengths.push(0);
  return () => {
    lengths.shift();
    lengths.push(length());
    const [before = 0] = lengths;
    return length() - before < MIN_RATE.bytes;
  };
};

const tooMany = () =>
  new PennonError('TOO_MANY_REQUESTS', 'other imports are in progress: try again later', {
    retryAfterSeconds: 1,
  });

const tooSlow = () =>
  new PennonError(
    'TIMEOUT',
    `the body did not arrive in time: at least ${MIN_RATE.bytes} bytes must arrive every ${MIN_RATE.periodMs / 1_000} s`,
  );
