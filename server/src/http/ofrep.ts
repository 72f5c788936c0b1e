import { isJsonObject, type EvaluationContext } from '@pennon/schema';

import { chooseCoding } from '../compression.ts';
import { invalid } from '../errors.ts';
import { evaluateFlagAs, scopeOf } from '../evaluation/evaluate.ts';
import { reachVersion } from '../evaluation/follow-version.ts';
import { OFREP } from '../evaluation/ofrep.ts';
import { parseText, requireBounded } from '../parse-json.ts';
import type { Services } from '../services.ts';
import {
  inCoding,
  respondWithBulk,
  type EvaluationRequest,
  type EvaluationRoute,
  type RequestParameters,
  type ResponseBody,
  type ResponseHead,
} from './evaluate.ts';
import { OFREP_API } from './ofrep-errors.ts';
import { formWithEvents } from './ofrep-events.ts';
import { parameterIn } from './request.ts';
import { sourceAge } from './source-age.ts';

/** The routes of the OpenFeature Remote Evaluation Protocol. */
export const ofrepRoutes = (services: Services): readonly EvaluationRoute[] => [
  {
    path: `${OFREP_API}/evaluate/flags/:key`,
    parametersOf,
    respond({ caller, environment, flagKey, text, acceptEncoding }, { headers }) {
      const scope = scopeOf(services, caller, environment);
      headers.push(...sourceAge(scope.live));
      const context = contextIn(text);
      const body = evaluateFlagAs(OFREP, services, scope, { flagKey, context });
      headers.push('cache-control', 'no-store');
      return inCoding(body, acceptEncoding, headers);
    },
  },
  {
    path: `${OFREP_API}/evaluate/flags`,
    parametersOf,
    respond(request, head) {
      const { live, audience } = scopeOf(services, request.caller, request.environment);
      const { version = '' } = request;
      return version === ''
        ? respondWithAll(services, request, head)
        : reachVersion(services.clock, live, audience, version).then(() =>
            respondWithAll(services, request, head),
          );
    },
  },
];

const parametersOf = ({ query }: { readonly query: unknown }): RequestParameters => ({
  environment: parameterIn(query, 'environment'),
  version: parameterIn(query, 'flagConfigEtag'),
});

const respondWithAll = (
  services: Services,
  { caller, environment, text, ifNoneMatch, acceptEncoding }: EvaluationRequest,
  head: ResponseHead,
): ResponseBody | Promise<ResponseBody> => {
  const scope = scopeOf(services, caller, environment);
  const form = formWithEvents(services, caller, scope.live.environment);
  const wanted = { text, form, coding: chooseCoding(acceptEncoding, 'once') };
  const parse = () => ({ context: contextIn(text) });
  return respondWithBulk(services, { scope, wanted, ifNoneMatch, parse }, head);
};

/** Clients leave out the context if it is empty. Fields that are unknown are for other servers. */
const contextIn = (text: string): EvaluationContext => {
  requireBounded(text);
  const body = parseText(text);
  if (!isJsonObject(body))
    throw invalid(
      [{ path: '', message: 'must be a JSON object such as {"context": {}}' }],
      'the body',
    );
  const { context = {} } = body;
  if (isJsonObject(context)) return context;
  throw invalid([{ path: 'context', message: 'must be a JSON object' }]);
};
