import type { Agent, IncomingMessage } from 'node:http';

import { decode } from './decode.ts';
import { acceptedCodings, type Transport } from './network.ts';

/** The headers that a `fetch` of Node.js adds. Some gateways refuse requests without them. */
const DEFAULT_HEADERS = { accept: '*/*', 'user-agent': 'node' };

/** Opens connections to a server without a proxy. */
export const openDirectTransport = async (server: string): Promise<Transport> => {
  const isSecure = server.toLowerCase().startsWith('https:');
  const http = isSecure ? await import('node:https') : await import('node:http');
  const { Readable } = await import('node:stream');
  const agent = new http.Agent({ keepAlive: true });

  const send = (url: string, { method = 'GET', headers, body, signal }: RequestInit) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const sent = new Headers(headers);
      sent.set('accept-encoding', acceptedCodings(sent));
      const options = {
        agent,
        method,
        headers: { ...DEFAULT_HEADERS, ...Object.fromEntries(sent) },
        ...(signal && { signal }),
      };
      const request = http.request(url, options, resolve);
      // Not once: an error without a listener would end the process.
      request.on('error', reject);
      request.end(body);
    });

  return {
    async fetch(input, init = {}) {
      const message = await send(input instanceof Request ? input.url : String(input), init);
      if (!NO_BODY.has(message.statusCode))
        return toResponse(message, Readable.toWeb(await decode(message)));
      // Frees the connection.
      message.resume();
      return toResponse(message, null);
    },
    retire: () => closeIdleConnections(agent),
  };
};

/** Also closes those that are in use, as soon as they are idle. */
const closeIdleConnections = (agent: Agent): void => {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets))
    for (const socket of sockets ?? []) socket.destroy();
};

/** The statuses of responses without a body. */
const NO_BODY: ReadonlySet<number | undefined> = new Set([204, 205, 304]);

const toResponse = (
  { statusCode: status = 0, headersDistinct }: IncomingMessage,
  body: ReadableStream | null,
): Response => {
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  return new Response(body, { status, headers });
};
