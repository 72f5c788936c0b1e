import {
  RequestedFlagKey,
  Evaluation,
  EvaluationContext,
  FlagKeys,
  NotServed,
  Served,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import type { EvaluateAllInput, EvaluateInput } from '../evaluation/evaluate.ts';
import { evaluateFlag, evaluateFlags } from '../evaluation/evaluate.ts';
import { followValues } from '../evaluation/follow-values.ts';
import { procedure, router } from './procedure.ts';
import { environment } from './schemas.ts';
import { trackValues } from './tracked.ts';

const tags = ['Evaluation'];

/** The plain routes parse with these same schemas. */
export const EvaluateRequest = strictObject({
  ...environment,
  flagKey: RequestedFlagKey,
  context: EvaluationContext,
  explain: z.boolean().optional().describe('Adds the trace of the decision; not for client keys.'),
}) satisfies z.ZodType<EvaluateInput>;

export const ValuesStreamRequest = strictObject({ ...environment, context: EvaluationContext });

export const EvaluateAllRequest = strictObject({
  ...environment,
  context: EvaluationContext,
  flagKeys: FlagKeys.optional().describe('Only these flags; all where it is absent.'),
}) satisfies z.ZodType<EvaluateAllInput>;

const Decided = z
  .union([
    Served.extend({ trace: z.unknown().optional() }),
    NotServed.extend({ trace: z.unknown().optional() }),
  ])
  .meta({ id: 'Decision' });

const Evaluations = strictObject({
  revision: z.int(),
  evaluations: z.record(z.string(), Evaluation),
}).meta({ id: 'Evaluations' });

export const evaluation = router({
  evaluate: procedure({
    permission: 'evaluate',
    plainRoute: true,
    openapi: {
      method: 'POST',
      path: '/evaluate',
      tags,
      summary: 'Evaluate one flag for a context',
    },
  })
    .input(EvaluateRequest)
    .output(Decided)
    .mutation(({ ctx, input }) => evaluateFlag(ctx.services, ctx.caller, input)),

  evaluateAll: procedure({
    permission: 'evaluate',
    plainRoute: true,
    openapi: {
      method: 'POST',
      path: '/evaluations',
      tags,
      summary: 'Evaluate all flags, or some, for a context',
    },
  })
    .input(EvaluateAllRequest)
    .output(Evaluations)
    .mutation(({ ctx, input }) => evaluateFlags(ctx.services, ctx.caller, input).data),

  watch: procedure({ permission: 'values.stream' })
    .input(
      strictObject({
        ...environment,
        context: EvaluationContext,
        lastEventId: z.string().max(200).nullish(),
      }),
    )
    .subscription(({ ctx, input, signal }) =>
      trackValues(followValues(ctx.services, ctx.caller, input, signal)),
    ),
});
