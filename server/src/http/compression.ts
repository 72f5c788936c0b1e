import type { Readable } from 'node:stream';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { chooseCoding, compress, MIN_BYTES, type Coding, type Use } from '../compression.ts';
import { bytesOfText, type SharedText } from '../flag-set/text.ts';
import { withCoding } from '../resources/entity-tag.ts';
import { partsOf, streamPieces } from './parts.ts';

const ACCEPT_ENCODING = 'accept-encoding';

/** The header of responses that depend on the codings that a client accepts. */
export const VARY = ['vary', ACCEPT_ENCODING] as const;

const TEXT = /^(?:text\/|application\/(?:json|javascript|openmetrics-text)\b|image\/svg\+xml)/;

/** Compresses texts in a coding that the client accepts, except errors, which are small. Streams do not pass here. */
export const compressResponses = (app: FastifyInstance): void => {
  app.addHook('onSend', async (request, reply, payload: unknown) => {
    if (request.routeOptions.config.compresses === true) return payload;
    if (!isText(reply) && reply.statusCode !== 304) return payload;
    addVary(reply);
    return typeof payload === 'string' ? compressText(request, reply, payload) : payload;
  });
};

const isText = (reply: FastifyReply): boolean =>
  reply.statusCode < 300 && TEXT.test(String(reply.getHeader('content-type')));

const addVary = (reply: FastifyReply): void => {
  const vary = reply.getHeader('vary');
  reply.header(
    'vary',
    vary === undefined ? ACCEPT_ENCODING : `${String(vary)}, ${ACCEPT_ENCODING}`,
  );
};

const compressText = async (
  { headers }: FastifyRequest,
  reply: FastifyReply,
  text: string,
): Promise<string | Buffer> => {
  const coding =
    text.length < MIN_BYTES ? undefined : chooseCoding(headers[ACCEPT_ENCODING], 'once');
  if (coding === undefined) return text;
  const bytes = Buffer.from(text);
  const compressed = await compress([bytes], bytes.length, coding, 'once');
  if (compressed === undefined) return text;
  setCoding(reply, coding);
  return compressed;
};

const setCoding = (reply: FastifyReply, coding: Coding | undefined): void => {
  if (coding === undefined) return;
  reply.header('content-encoding', coding);
  const etag = reply.getHeader('etag');
  if (typeof etag === 'string') reply.header('etag', withCoding(etag, coding));
};

/** The compressed copies of what responses share. They last as long as the original. */
const copies = new WeakMap<SharedText, Map<Coding, Promise<Buffer | undefined>>>();

/** Compresses what responses share, once for all of them. */
const compressShared = async (shared: SharedText, coding: Coding): Promise<Buffer | undefined> => {
  const byCoding = copies.get(shared) ?? new Map<Coding, Promise<Buffer | undefined>>();
  copies.set(shared, byCoding);
  const copy =
    byCoding.get(coding) ?? compress(partsOf(shared), bytesOfText(shared), coding, 'often');
  byCoding.set(coding, copy);
  const compressed = await copy;
  // The next request tries again.
  if (compressed === undefined) byCoding.delete(coding);
  return compressed;
};

/** Returns the payload of a response with a large text, in a coding that the client accepts. */
export const payloadOf = async (
  { headers }: FastifyRequest,
  reply: FastifyReply,
  text: SharedText,
  use: Use,
): Promise<Buffer | Readable> => {
  const coding = chooseCoding(headers[ACCEPT_ENCODING], use);
  const compressed = coding && (await COMPRESS[use](text, coding));
  if (compressed === undefined) return streamPieces(reply, text);
  setCoding(reply, coding);
  return compressed;
};

/** Sends what responses share, in a coding that the client accepts. */
export const sendShared = async (
  request: FastifyRequest,
  reply: FastifyReply,
  shared: SharedText,
): Promise<FastifyReply> => reply.send(await payloadOf(request, reply, shared, 'often'));

const COMPRESS = {
  once: (text, coding) => compress(partsOf(text), bytesOfText(text), coding, 'once'),
  often: compressShared,
} as const satisfies Readonly<
  Record<Use, (text: SharedText, coding: Coding) => Promise<Buffer | undefined>>
>;
