import type { FastifyInstance, FastifyRequest } from 'fastify';

import { matchesNone } from '../resources/entity-tag.ts';
import { accept } from '../resources/parse.ts';
import { invalid } from '../errors.ts';
import { evaluateFlag, evaluateFlags } from '../evaluation/evaluate.ts';
import type { Services } from '../services.ts';
import { EvaluateAllRequest, EvaluateRequest } from '../router/evaluation.ts';
import { callerOf } from './access.ts';
import { API } from './rest.ts';

const config = { access: { permission: 'evaluate' }, cors: true } as const;

/** The hot paths: the same use cases as the procedures, on plain routes. */
export const serveEvaluations = (app: FastifyInstance, parts: Services): void => {
  app.post(`${API}/evaluate`, { config }, async (request, reply) => {
    const input = accept(EvaluateRequest, flatInput(request));
    reply.header('cache-control', 'no-store');
    return evaluateFlag(parts, callerOf(request), input);
  });

  app.post(`${API}/evaluations`, { config }, async (request, reply) => {
    const input = accept(EvaluateAllRequest, flatInput(request));
    const { body, etag } = evaluateFlags(parts, callerOf(request), input);
    reply.headers({ etag, 'cache-control': 'private, no-cache' });
    if (matchesNone(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(body);
  });
};

/** The body with `environment` of the query: what the procedure takes as its input. */
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

/** The `environment` of a query that may hold nothing else. */
export const onlyEnvironment = (request: FastifyRequest): { environment?: string } => {
  const query = Object.entries(request.query as Record<string, unknown>);
  const foreign = query.find(
    ([name, value]) => name !== 'environment' || typeof value !== 'string',
  );
  if (foreign !== undefined) {
    throw invalid(
      [
        {
          path: foreign[0],
          message: 'is not a query parameter of this route, or stands there twice',
        },
      ],
      'the query',
    );
  }
  return Object.fromEntries(query);
};
