import { didYouMean, isJsonObject } from '@pennon/schema';
import { invalid, type PennonError } from '../errors.ts';

/** The prefix of every REST route and stream. */
export const API = '/api/v1';

/**
 * Merges the JSON body with the `environment` of the query into one flat object, the input that the
 * procedures take.
 */
export const flatInput = (body: unknown, { environment }: RequestedEnvironment): object => {
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
  return environment === undefined ? body : { ...body, environment };
};

/** Returns the message for a query parameter that the route does not have. */
export const unknownParameter = (name: string, known: readonly string[]): string => {
  const message = `is not a query parameter of this route${didYouMean(name, known)}`;
  if (known.length === 0) return `${message}, which has none`;
  const list = known.map(each => `"${each}"`).join(', ');
  return message.endsWith('?') ? `${message} It has ${list}` : `${message}; it has ${list}`;
};

/** The environment that a request names. Only keys for all environments need one. */
export type RequestedEnvironment = { readonly environment: string | undefined };

/** Returns the `environment` of a query. Any other query parameter is a BAD_REQUEST. */
export const onlyEnvironment = ({ query }: { readonly query: unknown }): RequestedEnvironment => {
  let environment: string | undefined;
  if (!isJsonObject(query)) return { environment };
  for (const [name, value] of Object.entries(query)) {
    if (name !== 'environment' || typeof value !== 'string') throw invalidParameter(name, query);
    environment = value;
  }
  return { environment };
};

/** Returns a parameter of a query that may have others. */
export const parameterIn = (query: unknown, name: string): string | undefined => {
  const value = isJsonObject(query) ? query[name] : undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw invalid([{ path: name, message: 'must be given once' }], 'the query');
};

const invalidParameter = (path: string, query: object): PennonError => {
  const message = Object.hasOwn(query, 'environment')
    ? 'is not a query parameter of this route, or is given twice; the only one is "environment"'
    : unknownParameter(path, ['environment']);
  return invalid([{ path, message }], 'the query');
};
