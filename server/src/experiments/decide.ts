import type { Experiment, Flag, Rule } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import { flagResource } from '../flags/flag.ts';
import { planPut, putsOf, serverFieldsAfter, type WriteResult } from '../resources/plan.ts';
import { validateFlag } from '../resources/validate.ts';
import type { ConditionalKey } from '../resources/write.ts';
import { layersOfRule, withoutLayer } from './layers/layer.ts';
import { targetOf, type Records, type Target } from './design.ts';
import { keepAtDecision, type ResultsServices } from './results.ts';
import { changeRun, requireState, stopped, type RunChange, type RunServices } from './runs.ts';

export type DecideInput = ConditionalKey & {
  /** The variant that the rule serves from now on. */
  readonly variant?: string | undefined;
  /** Whether the rule is removed in place of that. */
  readonly removeRule?: boolean | undefined;
};

/**
 * Ends the run and, in the same commit, makes the rule serve one variant, or removes it. The decision has the id of the
 * results of this instant. A decision can be made without results, if they cannot be computed.
 */
export const decideExperiment = async (
  services: RunServices & ResultsServices,
  caller: Caller,
  input: DecideInput,
): Promise<WriteResult<Experiment>> => {
  const results = await keepAtDecision(services, caller, input).catch(() => undefined);
  return changeRun(services, caller, input, {
    action: 'decide',
    plan: async change => {
      requireState(change.current, ['running', 'settling', 'ended', 'stopped'], {
        draft: 'it was never started, so change its rule',
      });
      return planDecision(change, input, results);
    },
  });
};

const planDecision = async (change: RunChange, input: DecideInput, results: string | undefined) => {
  const { context, view, current, audit } = change;
  const target = requireTarget(change, input);
  const { layers } = view.snapshot.records;
  const flag = { ...decided(layers, target, input), ...serverFieldsAfter(target.flag, audit.at) };
  await validateFlag(view, flag);
  const flags = { ...context, type: flagResource };
  const flagPlan = await putsOf(flags, { ...audit, action: 'update' }, [
    { document: flag, current: target.flag },
  ]);
  const plan = await planPut(context, audit, withDecision(change, input, results), current);
  return {
    ...plan,
    writes: { ...flagPlan.writes, ...plan.writes },
    versions: flagPlan.versions,
    audit: [...plan.audit, ...flagPlan.audit],
  };
};

/** Throws if the rule was removed, or was never one of several variants. */
const requireTarget = ({ view, current }: RunChange, { variant }: DecideInput): Target => {
  const target = targetOf(view.snapshot.records, current);
  if (target === undefined)
    throw new PennonError(
      'CONFLICT',
      `flag "${current.flag}" has no rule "${current.rule}" any more, so there is nothing to decide`,
    );
  const variants = (current.run?.variants ?? []).map(each => each.variant);
  if (variant === undefined || variants.includes(variant)) return target;
  const message = `must be one of the variants that were compared: ${variants.map(name => `"${name}"`).join(', ')}`;
  throw invalid([{ path: 'variant', message }]);
};

const decided = (
  layers: Records['layers'],
  { flag, rule }: Target,
  { variant }: DecideInput,
): Flag => ({
  ...flag,
  rules:
    variant === undefined
      ? flag.rules.filter(({ id }) => id !== rule.id)
      : flag.rules.map(each =>
          each.id === rule.id ? serving(withoutSlots(layers, rule), variant) : each,
        ),
});

/** Returns a rule that serves one variant to all that its conditions fit. */
const serving = ({ id, conditions }: Rule, variant: string): Rule => ({ id, conditions, variant });

/** Returns the rule for units of all slots. Those of a holdout stay out. */
const withoutSlots = (layers: Records['layers'], rule: Rule): Rule =>
  layersOfRule(layers, rule)
    .filter(({ layer }) => layer.holdout == null)
    .reduce((each, { layer }) => withoutLayer(each, layer.key), rule);

const withDecision = (
  { current, audit }: RunChange,
  { variant }: DecideInput,
  results: string | undefined,
): Experiment => ({
  ...stopped(current, audit.at),
  ...serverFieldsAfter(current, audit.at),
  decision: {
    variant: variant ?? null,
    at: formatInstant(audit.at),
    ...(results === undefined ? {} : { results }),
  },
});
