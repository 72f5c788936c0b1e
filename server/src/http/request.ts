import { didYouMean } from '@pennon/schema';
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

/** Returns the message for a query parameter that the route does not have. */
export const unknownParameter = (name: string, known: readonly string[]): string => {
  const message = `is not a query parameter of this route${didYouMean(name, known)}`;
  if (known.length === 0) return `${message}, which has none`;
  const list = known.map(each => `"${each}"`).join(', ');
  return message.endsWith('?') ? `${message} It has ${list}` : `${message}; it has ${list}`;
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
          message: Object.hasOwn(request.query as object, 'environment')
            ? 'is not a query parameter of this route, or is given twice; the only one is "environment"'
            : unknownParameter(invalidEntry[0], ['environment']),
        },
      ],
      'the query',
    );
  }
  return Object.fromEntries(query);
};
