import { unitOf } from '@pennon/engine';
import type { Evaluation, EvaluationContext, FlagSet } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';

/** A unit that a rule of a running experiment has served a variant. */
export type Exposure = {
  readonly experiment: string;
  readonly run: string;
  readonly variant: string;
  readonly unit: string;
};

/** Receives the exposures of evaluations by keys with `exposeOnEvaluate`. Never throws and never waits. */
export type Expose = (caller: Caller, environment: string, exposure: Exposure) => void;

const MAX_UNIT_LENGTH = 256;

/** Returns the exposures that a result is: one for each running experiment whose rule has served it. */
export const exposuresOf = (
  { experiments }: Pick<FlagSet, 'experiments'>,
  result: Evaluation,
  context: EvaluationContext,
): Exposure[] => {
  if (experiments === undefined || !('ruleId' in result) || result.variant === undefined) return [];
  const { flagKey, ruleId, variant } = result;
  return Object.entries(experiments).flatMap(([experiment, { flag, rule, unit: name, run }]) => {
    if (flag !== flagKey || rule !== ruleId || run === undefined) return [];
    const unit = unitOf(context, name);
    return unit === undefined || unit.length > MAX_UNIT_LENGTH
      ? []
      : [{ experiment, run, variant, unit }];
  });
};
