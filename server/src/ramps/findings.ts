import type { HarmEvidence, MismatchEvidence, OnHarm, Ramp } from '@pennon/schema';

import { harmEvidence } from '../experiments/harm-evidence.ts';
import { unitsOf, type RampLook } from './look.ts';

/** Why a ramp must not continue as it is, and what must be done about it. */
export type Finding = {
  readonly code: 'mismatch' | 'harm';
  readonly act: OnHarm;
  readonly text: string;
  readonly evidence: HarmEvidence | MismatchEvidence;
};

/** More exposures or units than this share must not be wrong. */
const DOUBTFUL_SHARE = 0.01;
/** A share of fewer is chance. */
const FEWEST_COUNTED = 100;

/** Returns what was found, the gravest first. Data that cannot be trusted show no harm. */
export const findingsOf = (ramp: Ramp, look: RampLook): Finding[] => {
  const mismatch = mismatchOf(ramp, look);
  return mismatch.length > 0 && ramp.onMismatch !== 'warn'
    ? mismatch
    : [...mismatch, ...harmsOf(ramp, look)].toSorted((a, b) => GRAVITY[b.act] - GRAVITY[a.act]);
};

const GRAVITY = { rollback: 2, pause: 1, warn: 0 };

const mismatchOf = (ramp: Ramp, look: RampLook): Finding[] => {
  const { sampleRatio, health, moments } = look;
  const units = unitsOf(ramp, look);
  const mismatched = sumOf(health.mismatched);
  const quarantined = sumOf(moments.quarantined);
  const exposures = health.exposures + mismatched;
  const cause = sampleRatio.mismatch
    ? 'units'
    : isDoubtful(mismatched, exposures)
      ? 'variants'
      : isDoubtful(quarantined, units.control + units.treatment)
        ? 'switched'
        : undefined;
  if (cause === undefined) return [];
  const { logEvidence } = sampleRatio;
  const evidence = {
    kind: 'mismatch',
    cause,
    units,
    logEvidence,
    exposures,
    mismatched,
    quarantined,
  } as const;
  return [{ code: 'mismatch', act: ramp.onMismatch, text: CAUSES[cause], evidence }];
};

const CAUSES = {
  units: 'The variants do not have the same number of units.',
  variants: 'More than 1 % of the exposures are to a variant that the rule does not serve.',
  switched: 'More than 1 % of the units saw both variants.',
};

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

const isDoubtful = (count: number, all: number): boolean =>
  all >= FEWEST_COUNTED && count > DOUBTFUL_SHARE * all;

const harmsOf = (ramp: Ramp, look: RampLook): Finding[] =>
  look.guardrails
    .filter(({ status }) => status === 'harming')
    .map(({ metric, evidence, needed, onHarm }) => ({
      code: 'harm',
      act: onHarm ?? 'rollback',
      text: `"${ramp.treatment}" is worse than "${ramp.control ?? ''}" in metric "${metric}".`,
      evidence: harmEvidence(look, ramp.treatment, { metric, evidence, needed }),
    }));
