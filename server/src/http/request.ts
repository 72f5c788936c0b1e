import type { FastifyRequest } from 'fastify';

import { invalid } from '../errors.ts';

/** The prefix of every REST route and stream. */
export const API = '/api/v1';

/**
 * Merges the JSON body with the `environment` of the query into one flat object, the input that the
 * procedures take.
 */
export const flatInput = (request: FastifyRequest): object => {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid(
      [{ path: '', message: 'must be a JSON object such as {"context": {}}' }],
      'the body',
    );
  }
  if (Object.hasOwn(body, 'environment')) {
    throw invalid([
      { path: 'environment', message: 'belongs in the query (?environment=…), not in the body' },
    ]);
  }
  return { ...body, ...onlyEnvironment(request) };
};

/** Returns the `environment` of a query. Any other query parameter is a BAD_REQUEST. */
export const onlyEnvironment = (request: FastifyRequest): { environment?: string } => {
  const query = Object.entries(request.query as Record<string, unknown>);
  const invalidEntry = query.find(
    ([name, value]) => name !== 'environment' || typeof value !== 'string',
  );
  if (invalidEntry !== undefined) {
    throw invalid(
      [
        {
          path: invalidEntry[0],
          message: 'is not a query parameter of this route, or is given twice',
        },
      ],
      'the query',
    );
  }
  return Object.fromEntries(query);
};
