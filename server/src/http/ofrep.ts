import { isJsonObject, type EvaluationContext } from '@pennon/schema';

import { chooseCoding } from '../compression.ts';
import { invalid } from '../errors.ts';
import { evaluateFlagAs, scopeOf } from '../evaluation/evaluate.ts';
import { OFREP } from '../evaluation/ofrep.ts';
import { parseText, requireBounded } from '../parse-json.ts';
import type { Services } from '../services.ts';
import { inCoding, respondWithBulk, type EvaluationRoute } from './evaluate.ts';
import { OFREP_API } from './ofrep-errors.ts';
import { environmentAmong } from './request.ts';
import { sourceAge } from './source-age.ts';

/** The routes of the OpenFeature Remote Evaluation Protocol. */
export const ofrepRoutes = (services: Services): readonly EvaluationRoute[] => [
  {
    path: `${OFREP_API}/evaluate/flags/:key`,
    environmentOf: environmentAmong,
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
    environmentOf: environmentAmong,
    respond({ caller, environment, text, ifNoneMatch, acceptEncoding }, head) {
      const scope = scopeOf(services, caller, environment);
      const coding = chooseCoding(acceptEncoding, 'once');
      const wanted = { text, form: OFREP, coding };
      const parse = () => ({ context: contextIn(text) });
      return respondWithBulk(services, { scope, wanted, ifNoneMatch, parse }, head);
    },
  },
];

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
