import { isJsonObject } from '@pennon/schema';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import type { Caller } from '../auth/caller.ts';
import { invalid } from '../errors.ts';
import { parseJson, parseMeasurements } from '../parse-json.ts';
import type { Services } from '../services.ts';
import { callerInBody, callerOf, isText } from './access.ts';
import { addJsonParser, requirePlainUtf8 } from './body.ts';
import { API, onlyEnvironment } from './request.ts';

/** What a provider sends to one route. */
type Report = {
  readonly path: '/usage' | '/events';
  readonly permission: 'usage.write' | 'events.write';
  readonly bodyLimit: number;
  /** Whether JSON is left to `receive`. That of a beacon is parsed in any case, because it has the key. */
  readonly takesBytes?: true;
  /** Returns the body of the response. */
  readonly receive: (sent: Sent) => object | Promise<object>;
};

type Sent = {
  readonly caller: Caller;
  /** The body as it was sent. */
  readonly bytes: Buffer;
  /** Whether it has the key of the caller beside its fields. */
  readonly hasKey: boolean;
  /** The body without the key; undefined if it was not parsed. */
  readonly body: unknown;
  readonly environment: string | undefined;
};

class Upload {
  readonly bytes: Buffer;
  readonly json: unknown;

  constructor(bytes: Buffer, json?: unknown) {
    this.bytes = bytes;
    this.json = json;
  }
}

const NOTHING = new Upload(Buffer.alloc(0));

/**
 * Receives what providers send. A page that is closed sends plain text, because a browser would first request
 * permission for JSON, for which there is no time. Its key is then in the body.
 */
export const serveReports = (
  app: FastifyInstance,
  services: Services,
  { path, permission, bodyLimit, takesBytes, receive }: Report,
): void => {
  app.register(async scope => {
    scope.removeContentTypeParser('application/json');
    addJsonParser(scope, async bytes =>
      takesBytes === true ? new Upload(bytes) : new Upload(bytes, await parseJson(bytes)),
    );
    scope.addContentTypeParser<Buffer>(
      'text/plain',
      { parseAs: 'buffer' },
      async (request: FastifyRequest, bytes: Buffer) => {
        requirePlainUtf8(request);
        return new Upload(bytes, parseMeasurements(bytes));
      },
    );
    scope.post(
      `${API}${path}`,
      { config: { access: { permission, keyInText: true }, cors: true }, bodyLimit },
      async (request, reply) => {
        const { environment } = onlyEnvironment(request);
        const { bytes, json } = request.body instanceof Upload ? request.body : NOTHING;
        const hasKey = isText(request);
        const sent = hasKey
          ? fromBeacon(services, request, { permission, json })
          : { caller: callerOf(request), body: json };
        const result = await receive({ ...sent, bytes, hasKey, environment });
        return reply.code(202).header('cache-control', 'no-store').send(result);
      },
    );
  });
};

/** Returns the caller and the body of a request in plain text, which has the client key beside its fields. */
const fromBeacon = (
  services: Services,
  request: FastifyRequest,
  { permission, json }: Pick<Report, 'permission'> & { readonly json: unknown },
): { readonly caller: Caller; readonly body: unknown } => {
  const { key, ...body } = isJsonObject(json) ? json : {};
  if (typeof key !== 'string')
    throw invalid(
      [{ path: 'key', message: 'is missing: plain text must have a client key' }],
      'the body',
    );
  return { caller: callerInBody(services, request, { key, permission }), body };
};
