import type { GuardrailResults, HarmEvidence } from '@pennon/schema';

import { shareOf, type AnalysisInput } from './analysis/input.ts';
import type { ComputedGuardrails } from './analysis/ramp.ts';

/** What harm was found in. */
type HarmLook = ComputedGuardrails & { readonly input: AnalysisInput };

/** Returns everything that the evidence against a treatment was computed from. All guardrails share alpha. */
export const harmEvidence = (
  { input, guardrails }: HarmLook,
  variant: string,
  { metric, evidence, needed }: Pick<GuardrailResults, 'metric' | 'evidence' | 'needed'>,
): HarmEvidence => {
  const analysed = input.metrics.find(each => each.metric === metric);
  const [ofControl, ofTreatment] = [input.control, variant].map(
    name => input.moments.metrics[metric]?.[name],
  );
  const metricKind = analysed?.kind ?? 'conversion';
  const alpha = input.alpha / guardrails.length;
  return {
    kind: 'harm',
    metric,
    metricKind,
    direction: analysed?.direction ?? 'decrease',
    tolerance: analysed?.tolerance ?? 0,
    alpha,
    share: shareOf(input, variant),
    mature: { control: { ...ofControl?.mature }, treatment: { ...ofTreatment?.mature } },
    soFar:
      metricKind === 'conversion'
        ? { control: ofControl?.soFar ?? 0, treatment: ofTreatment?.soFar ?? 0 }
        : null,
    evidence,
    needed: needed ?? 1 / alpha,
  };
};
