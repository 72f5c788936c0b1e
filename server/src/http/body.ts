import type { FastifyInstance, FastifyRequest } from 'fastify';

import { PennonError } from '../errors.ts';

/** JSON in UTF-8 is the only content type; everything else is refused with 415. */
export const parseJsonBodies = (app: FastifyInstance): void => {
  takeOnlyJson(app);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      refuseEncoded(request);
      done(null, parseJson(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
};

/** Refuses every body until somebody says how JSON is read. */
export const takeOnlyJson = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => {
    done(
      new PennonError(
        'UNSUPPORTED_MEDIA_TYPE',
        'send JSON, with the header "Content-Type: application/json"',
      ),
    );
  });
};

/** A body in another encoding would be read as what it is not. */
export const refuseEncoded = ({ headers }: FastifyRequest): void => {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    throw new PennonError('UNSUPPORTED_MEDIA_TYPE', 'send JSON in UTF-8, not in another charset');
  }
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw new PennonError('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding');
};

const decoder = new TextDecoder('utf-8', { fatal: true });

/** An empty body is no input. Property names are kept as they are, `__proto__` too. */
const parseJson = (body: string | Buffer): unknown => {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(typeof body === 'string' ? body : decoder.decode(body));
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 100) : '';
    throw new PennonError('BAD_REQUEST', `the body is not valid JSON in UTF-8: ${why}`);
  }
};
