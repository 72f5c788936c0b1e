import { parentPort, type MessagePort } from 'node:worker_threads';

import type { ExportedEnvironment } from '@pennon/schema';

import { toPennonError } from '../errors.ts';
import type { CheckMessage, CheckRequest, Piece } from './check-protocol.ts';
import { checkImport, type CheckedImport } from './check.ts';

/**
 * The thread that parses and checks one import, because that takes seconds and much memory, and the event
 * loop that evaluates flags must not wait. The checked document is sent in pieces, one for each reply.
 */
const serve = (port: MessagePort, { upload, scope }: CheckRequest): void => {
  const send = (message: CheckMessage) => port.postMessage(message);
  try {
    sendInPieces(port, send, checkImport(upload, scope));
  } catch (thrown) {
    const { code, message, extra } = toPennonError(thrown);
    if (code === 'INTERNAL_SERVER_ERROR') throw thrown;
    send({ type: 'refused', code, message, details: [...(extra.details ?? [])] });
  }
};

const sendInPieces = (
  port: MessagePort,
  send: (message: CheckMessage) => void,
  { document: { environments, ...document }, ...others }: CheckedImport,
): void => {
  const pieces = piecesOf(environments);
  port.on('message', () => {
    const { done, value } = pieces.next();
    send(done === true ? { type: 'end' } : { type: 'piece', piece: value });
  });
  send({
    type: 'accepted',
    checked: { document, ...others },
    environments: environments.map(({ flags: _flags, segments: _segments, ...fields }) => fields),
  });
};

const PIECE_LENGTH = 256 * 1024;

function* piecesOf(environments: readonly ExportedEnvironment[]): Generator<Piece, undefined> {
  for (const [environment, { flags, segments }] of environments.entries()) {
    for (const part of partsOf(flags)) yield { environment, flags: part, segments: '[]' };
    for (const part of partsOf(segments)) yield { environment, flags: '[]', segments: part };
  }
}

/** Divides a list into JSON texts of about `PIECE_LENGTH`. */
function* partsOf(items: readonly object[]): Generator<string> {
  let part: string[] = [];
  let length = 0;
  for (const item of items) {
    const text = JSON.stringify(item);
    part.push(text);
    length += text.length;
    if (length < PIECE_LENGTH) continue;
    yield `[${part.join(',')}]`;
    [part, length] = [[], 0];
  }
  if (part.length > 0) yield `[${part.join(',')}]`;
}

const port = parentPort;
port?.once('message', (request: CheckRequest) => serve(port, request));
