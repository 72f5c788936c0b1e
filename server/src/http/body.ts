import type { FastifyInstance, FastifyRequest } from 'fastify';

import { PennonError } from '../errors.ts';
import { parseJson } from '../parse-json.ts';
import { nextTurn } from '../slices.ts';

/** Accepts only JSON in UTF-8. Anything else is UNSUPPORTED_MEDIA_TYPE. */
export const parseJsonBodies = (app: FastifyInstance): void => {
  acceptOnlyJson(app);
  addJsonParser(app, body => parseJson(body));
};

/** Adds a parser of JSON in UTF-8. What it returns becomes the body of the request. */
export const addJsonParser = (
  app: FastifyInstance,
  parse: (body: Buffer, request: FastifyRequest) => unknown,
): void => {
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      requirePlainUtf8(request);
      await nextTurn();
      const parsed = await parse(body, request);
      // Large bodies take long to parse, and then to check against a schema.
      await nextTurn();
      return parsed;
    },
  );
};

/** Rejects every body. Callers then add a parser for JSON. */
export const acceptOnlyJson = (app: FastifyInstance): void => {
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

/** Throws UNSUPPORTED_MEDIA_TYPE for other charsets and for compressed bodies, which would be misread. */
export const requirePlainUtf8 = ({ headers }: FastifyRequest): void => {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    throw new PennonError('UNSUPPORTED_MEDIA_TYPE', 'send JSON in UTF-8, not in another charset');
  }
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw new PennonError('UNSUPPORTED_MEDIA_TYPE', 'send the body without Content-Encoding');
};
