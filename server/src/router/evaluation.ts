import {
  RequestedFlagKey,
  Evaluation,
  EvaluationContext,
  FlagKeys,
  measuredEnvelope,
  NotServed,
  Served,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { environmentOf, type Caller } from '../auth/caller.ts';
import type { EvaluateAllInput, EvaluateInput } from '../evaluation/evaluate.ts';
import { evaluateFlag, evaluateFlags } from '../evaluation/evaluate.ts';
import { followValues } from '../evaluation/follow-values.ts';
import { previewRouter } from './preview-router.ts';
import { mergeRouters, procedure, router, type Context } from './procedure.ts';
import { environment } from './schemas.ts';
import { trackValues } from './tracked.ts';

/** The REST routes in `http/evaluate.ts` parse with the same schemas. */
export const EvaluateRequest = strictObject({
  ...environment,
  flagKey: RequestedFlagKey,
  context: EvaluationContext,
  explain: z
    .boolean()
    .optional()
    .describe('Add a trace of the evaluation. Not allowed with client keys.'),
}) satisfies z.ZodType<EvaluateInput>;

export const ValuesStreamRequest = strictObject({ ...environment, context: EvaluationContext });

export const EvaluateAllRequest = strictObject({
  ...environment,
  context: EvaluationContext,
  flagKeys: FlagKeys.optional().describe('Only these flags; all flags if absent.'),
}) satisfies z.ZodType<EvaluateAllInput>;

const addedToDecision = {
  environment: z.string().describe('The key of the environment.'),
  trace: z.unknown().optional().describe('Every rule and condition, with `explain`.'),
};

export const Decision = z
  .union([
    Served.extend(addedToDecision).meta({ id: 'ServedDecision' }),
    NotServed.extend(addedToDecision).meta({ id: 'NotServedDecision' }),
  ])
  .meta({ id: 'Decision' });

export const EvaluateAllResponse = strictObject({
  revision: z.int(),
  environment: z.string(),
  ...measuredEnvelope,
  evaluations: z.record(z.string(), Evaluation),
}).meta({ id: 'Evaluations' });

/** Adds the flag set to those that the request evaluates. */
const noteFlagSet = <Result>({
  ctx: { services, caller, evaluated },
  input: { environment: requested },
  next,
}: {
  readonly ctx: Context & { readonly caller: Caller };
  readonly input: { readonly environment?: string | undefined };
  readonly next: () => Result;
}): Result => {
  evaluated?.add(services.registry.find(environmentOf(caller, requested)));
  return next();
};

const evaluationRouter = router({
  evaluate: procedure({ permission: 'evaluate' })
    .input(EvaluateRequest)
    .use(noteFlagSet)
    .output(Decision)
    .mutation(({ ctx, input }) => evaluateFlag(ctx.services, ctx.caller, input)),

  evaluateAll: procedure({ permission: 'evaluate' })
    .input(EvaluateAllRequest)
    .use(noteFlagSet)
    .output(EvaluateAllResponse)
    .mutation(({ ctx, input }) => evaluateFlags(ctx.services, ctx.caller, input)),

  watch: procedure({ permission: 'values.stream' })
    .input(
      strictObject({
        ...environment,
        context: EvaluationContext,
        lastEventId: z.string().max(200).nullish(),
      }),
    )
    .use(noteFlagSet)
    .subscription(({ ctx, input, signal }) =>
      trackValues(followValues(ctx.services, ctx.caller, input, signal)),
    ),
});

export const evaluation = mergeRouters(evaluationRouter, previewRouter);
