import {
  isAtWork,
  isCompared,
  LIMITS,
  type ErrorDetail,
  type Flag,
  type Ramp,
  type RampReason,
} from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { Records } from '../experiments/design.ts';
import { warnOfUnseen, type SeenServices } from '../experiments/seen-warnings.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { liveExperiments, rampsAtWork } from '../flag-set/measured.ts';
import { forOthers, nameOfOthers } from '../flag-set/others.ts';
import type { Random } from '../random.ts';
import type { WriteResult } from '../resources/plan.ts';
import type { ResourceServices } from '../resources/resource-type.ts';
import { requireCurrent, type ConditionalKey } from '../resources/write.ts';
import { revisionOf } from '../store/change-id.ts';
import { rampProblems } from './design.ts';
import { rampResource } from './ramp.ts';
import { isAsWritten } from './rule.ts';
import {
  advanced,
  approved,
  paused,
  resumed,
  rolledBack,
  started,
  type Current,
  type Transition,
} from './transitions.ts';
import { isRuleNeeded, planTransition } from './write.ts';

export type RampServices = ResourceServices & { readonly random: Random };

/** What a person does to a ramp: a transition from some of its states. */
type Action = {
  readonly from: readonly Ramp['state'][];
  readonly act: (view: FlagSetView, current: Current) => Transition;
};

const act = (
  { registry, clock }: RampServices,
  caller: Caller,
  { environment: requested, key, ifMatch }: ConditionalKey,
  { from, act: transition }: Action,
): Promise<WriteResult<Ramp>> => {
  const environment = environmentOf(caller, requested);
  return registry.find(environment).write(view => {
    const ramp = requireCurrent(rampResource, view, { environment, key, ifMatch }).document;
    requireState(ramp, from);
    const flag = view.snapshot.records.flags.get(ramp.flag)?.document;
    if (flag === undefined) throw refused(ramp, rampProblems(view.snapshot.records, ramp));
    const current = { ramp, flag, at: clock.now() };
    return planTransition(view, current, transition(view, current), { caller, environment });
  });
};

const requireState = (ramp: Ramp, states: readonly Ramp['state'][]): void => {
  if (states.includes(ramp.state)) return;
  throw new PennonError(
    'CONFLICT',
    `ramp "${ramp.key}" is in the state "${ramp.state}", and must be ${states.map(each => `"${each}"`).join(' or ')}: ${REMEDIES[ramp.state]}`,
  );
};

const REMEDIES: Readonly<Record<Ramp['state'], string>> = {
  draft: 'start it first',
  running: 'pause it, or roll it back',
  paused: 'resume it, or roll it back',
  completed: 'all get the treatment already; start it to begin again',
  rolledBack: 'start it to begin again',
};

const refused = ({ key }: Ramp, details: readonly ErrorDetail[]): PennonError => {
  const [first] = details;
  const reason = first === undefined ? '' : `: ${first.path} ${first.message}`;
  return new PennonError('CONFLICT', `ramp "${key}" cannot continue${reason}`, { details });
};

const requested = (view: FlagSetView, at: number, text: string): RampReason => ({
  code: 'requested',
  text,
  at: formatInstant(at),
  revision: revisionOf(view.snapshot.id),
});

const RUN_ID_LENGTH = 12;

/** Begins the first step, with no data of an earlier run. Throws CONFLICT with everything that the ramp lacks. */
export const startRamp = async (
  services: RampServices & SeenServices,
  caller: Caller,
  input: ConditionalKey,
): Promise<WriteResult<Ramp>> => {
  const begun = await act(services, caller, input, {
    from: ['draft', 'rolledBack', 'completed'],
    act: (view, current) => {
      const { records, id } = view.snapshot;
      const problems = startProblems(records, current);
      if (problems.length > 0) throw refused(current.ramp, problems);
      const run = { id: services.random(RUN_ID_LENGTH), revision: revisionOf(id) };
      return started(current, run);
    },
  });
  const { key, guardrails: metrics } = begun;
  const environment = environmentOf(caller, input.environment);
  return warnOfUnseen(services, begun, { environment, key, path: 'guardrails', metrics });
};

export const pauseRamp = (services: RampServices, caller: Caller, input: ConditionalKey) =>
  act(services, caller, input, {
    from: ['running'],
    act: (view, current) => paused(current, requested(view, current.at, 'It was paused.')),
  });

export const resumeRamp = (services: RampServices, caller: Caller, input: ConditionalKey) =>
  act(services, caller, input, {
    from: ['paused'],
    act: (_, current) => {
      requireWorking(current);
      return resumed(current);
    },
  });

/** Begins the next step at once, without the checks of the server. */
export const advanceRamp = (services: RampServices, caller: Caller, input: ConditionalKey) =>
  act(services, caller, input, {
    from: ['running'],
    act: (_, current) => {
      requireWorking(current);
      return advanced(current);
    },
  });

export const rollBackRamp = (services: RampServices, caller: Caller, input: ConditionalKey) =>
  act(services, caller, input, {
    from: ['running', 'paused', 'completed'],
    act: (view, current) => {
      const { ramp, flag, at } = current;
      if (!isAtWork(ramp) && !isAsWritten(ramp, flag))
        throw new PennonError(
          'CONFLICT',
          `rule "${ramp.rule}" of flag "${flag.key}" has changed since ramp "${ramp.key}" was completed: change the rule itself`,
        );
      const reason = requested(view, at, 'It was rolled back.');
      return rolledBack(current, reason, isRuleNeeded(view, flag));
    },
  });

/** Approves the end of the current step. */
export const approveRamp = (services: RampServices, caller: Caller, input: ConditionalKey) =>
  act(services, caller, input, {
    from: ['running', 'paused'],
    act: (_, current) => approved(current),
  });

/** Throws CONFLICT if the ramp does not decide what its rule serves. */
const requireWorking = ({ ramp, flag }: Current): void => {
  if (!flag.enabled)
    throw refused(ramp, [{ path: 'flag', message: `"${flag.key}" is disabled: enable it first` }]);
  if (!isAsWritten(ramp, flag))
    throw refused(ramp, [
      { path: 'rule', message: `"${ramp.rule}" was changed by another caller: roll the ramp back` },
    ]);
};

const startProblems = (records: Records, { ramp, flag }: Current): ErrorDetail[] => [
  ...rampProblems(records, ramp),
  ...(flag.enabled
    ? []
    : [{ path: 'flag', message: `"${flag.key}" is disabled: enable it first` }]),
  ...othersProblems(ramp, flag),
  ...rivalProblems(records, ramp),
];

/** If users that the rule does not serve had the treatment, a rollback would give it to all. */
const othersProblems = (ramp: Ramp, flag: Flag): ErrorDetail[] => {
  const others = forOthers(flag, ramp.rule);
  if (others.variant !== ramp.treatment) return [];
  const message = `"${ramp.treatment}" is what ${nameOfOthers(others)} of flag "${flag.key}" serves to all others: choose another variant there first`;
  return [{ path: 'treatment', message }];
};

/** Nothing else may decide about the rule or measure it, and the number of ramps is bounded. */
const rivalProblems = (records: Records, ramp: Ramp): ErrorDetail[] => {
  const onRule = ({ flag, rule }: Pick<Ramp, 'flag' | 'rule'>) =>
    flag === ramp.flag && rule === ramp.rule;
  const ramps = rampsAtWork(records.ramps);
  const measured = ramps.filter(isCompared).length + liveExperiments(records.experiments).length;
  return [
    ...liveExperiments(records.experiments)
      .filter(onRule)
      .map(({ key }) => ({
        path: 'rule',
        message: `is measured by experiment "${key}": stop that first`,
      })),
    ...ramps.filter(onRule).map(({ key }) => ({
      path: 'rule',
      message: `is released by ramp "${key}": wait until that is completed, or roll it back first`,
    })),
    ...(ramps.length >= LIMITS.rampsAtWork || measured >= LIMITS.liveExperiments
      ? [{ path: '', message: TOO_MANY }]
      : []),
  ];
};

const TOO_MANY = `at most ${LIMITS.rampsAtWork} ramps, and ${LIMITS.liveExperiments} experiments and ramps with guardrails, may be at work at the same time`;
