import type { FastifyInstance } from 'fastify';

import { PennonError } from '../errors.ts';

/** JSON in UTF-8 is the only content type; everything else is refused with 415. */
export const parseJsonBodies = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => {
    try {
      done(null, parseJson(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), undefined);
    }
  });
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
