import {
  EvaluationContext,
  Failed,
  FlagCreate,
  NotServed,
  RequestedFlagKey,
  SegmentCreate,
  Served,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import {
  compareEnvironments,
  MAX_PREVIEWED_CONTEXTS,
  MAX_PREVIEWED_FLAGS,
  previewDraft,
} from '../evaluation/preview.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { environment, flagWriteOptions, warnings } from './schemas.ts';

const trace = {
  trace: z
    .unknown()
    .describe('Every rule and condition, or none once all traces together are too large.'),
};

const Explanation = z
  .union([
    Served.extend(trace).meta({ id: 'ServedExplanation' }),
    NotServed.extend(trace).meta({ id: 'NotServedExplanation' }),
    Failed.extend(trace).meta({ id: 'FailedExplanation' }),
  ])
  .meta({ id: 'Explanation' });

const Compared = strictObject({
  flagKey: z.string(),
  live: Explanation.nullable().describe('As it is; null if there is no such flag.'),
  draft: Explanation.nullable().describe('As it would be with the draft.'),
  changed: z.boolean().describe('Whether an application would see a difference.'),
}).meta({ id: 'ComparedEvaluation' });

const Preview = strictObject({
  environment: z.string(),
  revision: z.int(),
  results: z
    .array(strictObject({ evaluations: z.array(Compared) }))
    .describe('In the order of the contexts.'),
  warnings,
}).meta({ id: 'Preview' });

const EnvironmentComparison = strictObject({
  flagKey: z.string(),
  evaluations: z
    .record(z.string(), Explanation.nullable())
    .describe('By environment; null if it does not have the flag.'),
}).meta({ id: 'EnvironmentComparison' });

const numberOfContexts = `must be 1 to ${MAX_PREVIEWED_CONTEXTS} contexts`;
const numberOfFlags = `must be 1 to ${MAX_PREVIEWED_FLAGS} flag keys`;

const PreviewRequest = strictObject({
  ...environment,
  ...flagWriteOptions,
  flag: FlagCreate.optional().describe('The flag as it would be written.'),
  segment: SegmentCreate.optional().describe('Or the segment.'),
  flagKeys: z
    .array(RequestedFlagKey)
    .min(1, numberOfFlags)
    .max(MAX_PREVIEWED_FLAGS, numberOfFlags)
    .optional()
    .describe('Which flags to evaluate. By default the draft, or flags that use the segment.'),
  contexts: z
    .array(EvaluationContext)
    .min(1, numberOfContexts)
    .max(MAX_PREVIEWED_CONTEXTS, numberOfContexts),
}).refine(({ flag, segment }) => (flag === undefined) !== (segment === undefined), {
  path: ['flag'],
  error: 'is missing: send a flag or a segment as the draft, and not both',
});

const context = { targetingKey: 'ada', plan: 'pro' };
const tag = 'Evaluation';

/** Evaluations that people try: with a draft, or in several environments. They are not counted. */
export const previewRouter = router({
  preview: procedure({
    permission: 'flags.read',
    rest: {
      method: 'POST',
      path: '/evaluations/preview',
      tag,
      summary: 'Evaluate a flag or a segment that is not written yet beside what is live',
      example: {
        flag: {
          key: 'new-invoice',
          enabled: true,
          rules: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
        },
        contexts: [context],
      },
    },
  })
    .input(PreviewRequest)
    .output(inSlices(Preview))
    .mutation(({ ctx: { services, caller }, input }) =>
      services.limitPreviews(caller, () => previewDraft(services, caller, input)),
    ),

  compare: procedure({
    permission: 'flags.read',
    rest: {
      method: 'POST',
      path: '/evaluations/compare',
      tag,
      summary: 'Evaluate one flag for one context in all environments',
      example: { flagKey: 'new-invoice', context },
    },
  })
    .input(strictObject({ flagKey: RequestedFlagKey, context: EvaluationContext }))
    .output(EnvironmentComparison)
    .mutation(({ ctx: { services, caller }, input }) =>
      services.limitPreviews(caller, () => compareEnvironments(services, caller, input)),
    ),
});
