import type { SampleRatio } from '@pennon/schema';
import { sampleRatio } from '@pennon/statistics';

import type { AnalysisInput } from './input.ts';

/** Compares the units of each variant with its weight. A run has one split, so it is one phase. */
export const sampleRatioOf = (
  { variants }: Pick<AnalysisInput, 'variants'>,
  units: Readonly<Record<string, number>>,
): SampleRatio => {
  const { logEvidence, pValue, mismatch, chiSquarePValue } = sampleRatio({
    phases: [
      {
        counts: variants.map(({ variant }) => units[variant] ?? 0),
        weights: variants.map(({ weight }) => weight),
      },
    ],
  });
  return { logEvidence, pValue, mismatch, chiSquarePValue };
};
