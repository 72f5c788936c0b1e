import { hasLength, isJsonObject, Key, LIMITS } from '@pennon/schema';
import type { z } from 'zod';

import type { EvaluateAllInput, EvaluateInput } from '../evaluation/evaluate.ts';
import { parseExactJson, requireBounded } from '../parse-json.ts';
import { parseOrThrow } from '../resources/parse.ts';
import { EvaluateAllRequest, EvaluateRequest } from '../router/evaluation.ts';
import { flatInput, type RequestedEnvironment } from './request.ts';

export type EvaluateBody = Omit<EvaluateInput, 'environment'>;
export type EvaluateAllBody = Omit<EvaluateAllInput, 'environment'>;

/** Whether the schema accepts a body, in a fraction of its time. The schema finds the reason if it does not. */
export const isEvaluateBody = (body: unknown): body is EvaluateBody => {
  if (!isJsonObject(body)) return false;
  const { flagKey, context, explain } = body;
  return (
    isFlagKey(flagKey) &&
    isJsonObject(context) &&
    (explain === undefined || typeof explain === 'boolean') &&
    Object.keys(body).length === (explain === undefined ? 2 : 3)
  );
};

/** Does the same for a request for many flags. */
export const isEvaluateAllBody = (body: unknown): body is EvaluateAllBody => {
  if (!isJsonObject(body)) return false;
  const { context, flagKeys } = body;
  return (
    isJsonObject(context) &&
    (flagKeys === undefined || isFlagKeys(flagKeys)) &&
    Object.keys(body).length === (flagKeys === undefined ? 1 : 2)
  );
};

const isFlagKey = (value: unknown): value is string =>
  typeof value === 'string' && hasLength(value, 0, LIMITS.requestedKeyLength);

const isFlagKeys = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= LIMITS.flagKeysPerRequest && value.every(isFlagKey);

const isEnvironment = (environment: string | undefined): boolean =>
  environment === undefined || Key.safeParse(environment).success;

/** Returns a function that returns the body of a request. The schema has to accept what the check accepts. */
const parserOf =
  <Body>(isBody: (value: unknown) => value is Body, schema: z.ZodType<Body>) =>
  (text: string, requested: RequestedEnvironment): Body => {
    requireBounded(text);
    const body = parseExactJson(text);
    return isBody(body) && isEnvironment(requested.environment)
      ? body
      : parseOrThrow(schema, flatInput(body, requested));
  };

/** Returns the body of a request, which names a flag. Throws BAD_REQUEST. */
export const parseEvaluateRequest = parserOf(isEvaluateBody, EvaluateRequest);

/** Returns the body of a request for many flags. Throws BAD_REQUEST. */
export const parseEvaluateAllRequest = parserOf(isEvaluateAllBody, EvaluateAllRequest);
