import type { FastifyInstance } from 'fastify';

import { evaluateFlag, evaluateFlagsAsText } from '../evaluation/evaluate.ts';
import { isNotModified } from '../resources/entity-tag.ts';
import { parseOrThrow } from '../resources/parse.ts';
import { EvaluateAllRequest, EvaluateRequest } from '../router/evaluation.ts';
import type { Services } from '../services.ts';
import { callerOf } from './access.ts';
import { API, flatInput, onlyEnvironment } from './request.ts';
import { sourceAge, sourceAgeOfPoll } from './source-age.ts';

const config = { access: { permission: 'evaluate' }, cors: true } as const;

/**
 * Serves evaluations on plain routes. They call the same use cases as the tRPC procedures, at about half
 * the cost of the REST adapter.
 */
export const serveEvaluations = (app: FastifyInstance, services: Services): void => {
  app.post(`${API}/evaluate`, { config }, async (request, reply) => {
    const input = parseOrThrow(EvaluateRequest, flatInput(request));
    const caller = callerOf(request);
    reply.headers({ 'cache-control': 'no-store', ...sourceAge(services, caller, input) });
    return evaluateFlag(services, caller, input);
  });

  app.post(`${API}/evaluations`, { config }, async (request, reply) => {
    const caller = callerOf(request);
    const { environment } = onlyEnvironment(request);
    const { body, etag } = await evaluateFlagsAsText(services, caller, {
      environment,
      text: request.bodyText,
      parse: () => parseOrThrow(EvaluateAllRequest, flatInput(request)),
    });
    reply.headers({ etag, 'cache-control': 'private, no-cache' });
    reply.headers(sourceAgeOfPoll(services, caller, { environment }));
    if (isNotModified(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(body);
  });
};
