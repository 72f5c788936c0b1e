import { STATUS_CODES, type ServerResponse } from 'node:http';

import type { Clock } from '../clock.ts';
import type { ResponseBody, ResponseHead } from './evaluate.ts';
import { PART_BYTES } from './parts.ts';

/**
 * Writes a response with its head as one string, and calls back once it is sent. Returns false if it did nothing: the
 * connection closes after the response or is closed already, the body is large, or something else is being sent.
 */
export type WriteAtOnce = (
  response: ServerResponse,
  head: Omit<ResponseHead, 'closes'>,
  body: ResponseBody,
  onSent: () => void,
) => boolean;

/** Returns headers as they are sent. They are not checked, so they must not contain what others have sent. */
export const headerLines = (headers: readonly string[]): string => {
  let lines = '';
  for (let at = 0; at < headers.length; at += 2) lines += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return lines;
};

/**
 * Returns how to write responses in the form of Node.js, in a third of its time: it checks each header, and queues and
 * corks what a connection takes at once. `common` are the headers of all responses.
 */
export const createWriteAtOnce = (
  clock: Clock,
  keepAliveMs: number,
  common: string,
): WriteAtOnce => {
  const dateNow = createDate(clock);
  const persistent = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveMs / 1_000)}\r\n`;
  return (response, { status, headers }, body, onSent) => {
    const { socket } = response;
    if (socket === null || !response.shouldKeepAlive) return false;
    if (!socket.writable || socket.writableLength > 0) return false;
    if (body !== undefined && body.length > PART_BYTES) return false;
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${common}${headerLines(headers)}`;
    const text = `${head}Date: ${dateNow()}\r\n${persistent}\r\n${body ?? ''}`;
    const end = () => {
      // Ends the response for Node.js, which then expects the next request.
      response.emit('finish');
      onSent();
    };
    socket.write(text, 'latin1');
    if (socket.writableLength === 0) end();
    else socket.write('', error => error ?? end());
    return true;
  };
};

/** Returns a function that returns the date as a header has it. It is formatted once in a second. */
const createDate = (clock: Clock): (() => string) => {
  let text: string | undefined;
  const expire = () => {
    text = undefined;
  };
  return () => {
    if (text !== undefined) return text;
    const now = clock.now();
    clock.after(1_000 - (now % 1_000), expire);
    text = new Date(now).toUTCString();
    return text;
  };
};
