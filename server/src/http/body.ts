import { findInexactNumbers, inexactNumberMessage } from '@pennon/engine';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { errorMessage } from '../error-message.ts';
import { invalid, PennonError } from '../errors.ts';

/** Accepts only JSON in UTF-8. Anything else is UNSUPPORTED_MEDIA_TYPE. */
export const parseJsonBodies = (app: FastifyInstance): void => {
  acceptOnlyJson(app);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      requirePlainUtf8(request);
      done(null, parseJson(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
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

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Returns undefined for an empty body. Keeps every property name, even `__proto__`. */
const parseJson = (body: string | Buffer): unknown => {
  if (body.length === 0) return undefined;
  try {
    const text = typeof body === 'string' ? body : decoder.decode(body);
    const value: unknown = JSON.parse(text);
    requireExactNumbers(text);
    return value;
  } catch (error) {
    if (error instanceof PennonError) throw error;
    const reason = errorMessage(error).slice(0, 100);
    throw new PennonError('BAD_REQUEST', `the body is not valid JSON in UTF-8: ${reason}`);
  }
};

/**
 * Throws BAD_REQUEST for numbers that would be stored as others. In an evaluation context they are compared as
 * doubles. `ignoredLevels` are those above the input of a procedure.
 */
export const requireExactNumbers = (json: string, ignoredLevels = 0): void => {
  const details = findInexactNumbers(json)
    .map(number => ({ ...number, path: number.path.slice(ignoredLevels) }))
    .filter(({ path: [field] }) => field !== 'context')
    .map(number => ({ path: number.path.join('.'), message: inexactNumberMessage(number.text) }));
  if (details.length > 0) throw invalid(details, 'the body');
};
