import { exactHarm, meanHarm, type Direction, type ExactHarm, type MeanHarm } from './harm.ts';
import { finite } from './finite.ts';
import type { MeanMoments, RatioMoments } from './moments.ts';

type Common = {
  readonly direction: Direction;
  readonly tolerance: number;
  /** The part of alpha of this guardrail and treatment. */
  readonly alpha: number;
};

type Rate = Common & {
  readonly kind: 'conversion';
  /** Mature units. */
  readonly control: MeanMoments;
  readonly treatment: MeanMoments;
  /** Units that converted, mature or not. */
  readonly soFar: { readonly control: number; readonly treatment: number };
  /** The weight of the treatment relative to both. */
  readonly share: number;
};

type Mean = Common & {
  readonly kind: 'count' | 'sum' | 'ratio';
  readonly control: MeanMoments | RatioMoments;
  readonly treatment: MeanMoments | RatioMoments;
};

/** Whether a treatment does harm, and the tests behind it. */
export type Guardrail = {
  readonly harming: boolean;
  /** Only of rates. */
  readonly exact: ExactHarm | null;
  /** The evidence of the exact test that is needed. */
  readonly needed: number | null;
  readonly sequence: MeanHarm;
};

/** Converted units of each variant from which on a sequence of rates may decide. */
const FEWEST_EVENTS = 5;

/** If a rate should increase, the harm is fewer units, so the variants are exchanged. */
const exactOf = ({ direction, soFar, share, tolerance }: Rate): ExactHarm =>
  direction === 'decrease'
    ? exactHarm({
        treatmentUnits: soFar.treatment,
        controlUnits: soFar.control,
        share,
        tolerance,
      })
    : exactHarm({
        treatmentUnits: soFar.control,
        controlUnits: soFar.treatment,
        share: 1 - share,
        tolerance: 1 / (1 - tolerance) - 1,
      });

/** Both tests of a rate have half of its alpha. */
const rateGuardrail = (input: Rate): Guardrail => {
  const exact = exactOf(input);
  const sequence = meanHarm({ ...input, alpha: input.alpha / 2 });
  const needed = 2 / input.alpha;
  const isCounted = Math.min(input.control.sum, input.treatment.sum) >= FEWEST_EVENTS;
  const isExact = exact.logEvidence !== null && exact.logEvidence >= Math.log(needed);
  return {
    harming: isExact || (isCounted && sequence.failing),
    exact,
    needed: finite(needed),
    sequence,
  };
};

/** Decides whether a treatment does more harm than accepted, at any number of looks. */
export const guardrail = (input: Rate | Mean): Guardrail => {
  if (input.kind === 'conversion') return rateGuardrail(input);
  const sequence = meanHarm(input);
  return { harming: sequence.failing, exact: null, needed: null, sequence };
};
