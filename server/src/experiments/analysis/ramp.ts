import { guardrailResultsOf } from './guardrails.ts';
import type { AnalysisInput } from './input.ts';
import { sampleRatioOf } from './sample-ratio.ts';

/** Computes what a ramp decides on. */
export const computeGuardrails = (input: AnalysisInput) => ({
  guardrails: guardrailResultsOf(input),
  sampleRatio: sampleRatioOf(input, input.moments.units),
});

export type ComputedGuardrails = ReturnType<typeof computeGuardrails>;
