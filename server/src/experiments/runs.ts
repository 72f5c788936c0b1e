import {
  LIMITS,
  isLive,
  type ErrorDetail,
  type Experiment,
  type ExperimentRun,
} from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { liveExperiments, rampsOn } from '../flag-set/measured.ts';
import type { Random } from '../random.ts';
import type { WritePlan } from '../replication/writer.ts';
import { planPut, serverFieldsAfter, type AuditInfo, type WriteResult } from '../resources/plan.ts';
import type { ResourceContext, ResourceServices } from '../resources/resource-type.ts';
import { requireCurrent, type ConditionalKey } from '../resources/write.ts';
import { revisionOf } from '../store/change-id.ts';
import { designProblems, targetOf, unitOf, weightedVariants, type Records } from './design.ts';
import { isHeld, layersOfRule, unitOfLayer } from './layers/layer.ts';
import { experimentResource } from './experiment.ts';
import { keepFinal, type ResultsServices } from './results.ts';
import { warnOfUnseen, type SeenServices } from './seen-warnings.ts';

export type RunServices = ResourceServices & { readonly random: Random };
type StartServices = RunServices & SeenServices;
type Context = ResourceContext<'experiments'> & { readonly random: Random };

/** What a change of the state of an experiment is planned with. */
export type RunChange = {
  readonly context: Context;
  readonly view: FlagSetView;
  readonly current: Experiment;
  readonly audit: AuditInfo;
};

type ExperimentPlan = WritePlan<'flagSet', WriteResult<Experiment>>;

/** A change of the state of an experiment, as the audit log names it. */
type RunStep = {
  readonly action: AuditInfo['action'];
  readonly plan: (change: RunChange) => ExperimentPlan | Promise<ExperimentPlan>;
};

/** Plans a change of the state of an experiment on its current version. */
export const changeRun = (
  services: RunServices,
  caller: Caller,
  { environment: requested, key, ifMatch }: ConditionalKey,
  { action, plan }: RunStep,
): Promise<WriteResult<Experiment>> => {
  const context = { ...services, type: experimentResource };
  const environment = environmentOf(caller, requested);
  return services.registry.find(environment).write(view => {
    const target = { environment, key, ifMatch };
    const current = requireCurrent(experimentResource, view, target).document;
    const audit = { caller, action, environment, at: services.clock.now() };
    return plan({ context, view, current, audit });
  });
};

/** Starts the first run of a draft. Throws CONFLICT with everything that it lacks. */
export const startExperiment = (
  services: StartServices,
  caller: Caller,
  input: ConditionalKey,
): Promise<WriteResult<Experiment>> =>
  beginRun(services, caller, input, {
    action: 'start',
    plan: change => {
      requireState(change.current, ['draft'], START_REMEDIES);
      return planStart(change);
    },
  });

const beginRun = async (
  services: StartServices,
  caller: Caller,
  input: ConditionalKey,
  step: RunStep,
): Promise<WriteResult<Experiment>> => {
  const started = await changeRun(services, caller, input, step);
  const { key, source, metrics } = started;
  if (source === 'external') return started;
  const environment = environmentOf(caller, input.environment);
  return warnOfUnseen(services, started, { environment, key, path: 'metrics', metrics });
};

const START_REMEDIES = {
  running: 'it is started already',
  settling: 'it is started already',
  ended: 'begin another run with POST …/restart',
  stopped: 'begin another run with POST …/restart',
};

/** Begins another run, with nothing of the previous one. */
export const restartExperiment = (
  services: StartServices,
  caller: Caller,
  input: ConditionalKey,
): Promise<WriteResult<Experiment>> =>
  beginRun(services, caller, input, {
    action: 'restart',
    plan: change => {
      requireState(change.current, ['stopped', 'ended'], RESTART_REMEDIES);
      return planStart(change);
    },
  });

const RESTART_REMEDIES = {
  draft: 'begin the first run with POST …/start',
  running: 'stop it first',
  settling: 'stop it first',
};

/** Ends a run at once. Its results are then those of this instant. */
export const stopExperiment = async (
  services: RunServices & ResultsServices,
  caller: Caller,
  input: ConditionalKey,
): Promise<WriteResult<Experiment>> => {
  const experiment = await changeRun(services, caller, input, {
    action: 'stop',
    plan: ({ context, current, audit }) => {
      requireState(current, ['running', 'settling'], STOP_REMEDIES);
      return planPut(context, audit, stopped(current, audit.at), current);
    },
  });
  await keepFinal(services, caller, input);
  return experiment;
};

const STOP_REMEDIES = {
  draft: 'it was never started',
  ended: 'its run is over',
  stopped: 'its run is over',
};

/** Throws CONFLICT if an experiment is in another state. */
export const requireState = (
  { key, state }: Experiment,
  states: readonly Experiment['state'][],
  remedies: { readonly [State in Experiment['state']]?: string },
): void => {
  if (states.includes(state)) return;
  const remedy = (remedies[state] ?? 'read it again').replace('…', `/api/v1/experiments/${key}`);
  throw new PennonError('CONFLICT', `experiment "${key}" is in the state "${state}": ${remedy}`);
};

/** Returns an experiment whose run ends now. */
export const stopped = (current: Experiment, at: number): Experiment => {
  if (!isLive(current) || current.run === undefined) return current;
  const endedAt = formatInstant(at);
  const { enrolmentEndedAt = endedAt } = current.run;
  return {
    ...current,
    ...serverFieldsAfter(current, at),
    state: 'stopped',
    run: { ...current.run, enrolmentEndedAt, endedAt },
  };
};

const planStart = ({ context, view, current, audit }: RunChange): Promise<ExperimentPlan> => {
  const { records, id } = view.snapshot;
  requireStartable(records, current, audit.at);
  const { decision: _, harms: __, ...experiment } = current;
  const run = {
    ...fixedNow(records, current),
    id: context.random(RUN_ID_LENGTH),
    startedAt: formatInstant(audit.at),
    revision: revisionOf(id),
  };
  const fields = serverFieldsAfter(current, audit.at);
  return planPut(context, audit, { ...experiment, ...fields, state: 'running', run }, current);
};

const RUN_ID_LENGTH = 12;

/** What a run fixes of its rule. */
const fixedNow = (
  records: Records,
  experiment: Experiment,
): Pick<ExperimentRun, 'unit' | 'seed' | 'variants'> => {
  const target = targetOf(records, experiment);
  if (target === undefined) throw notStartable(experiment, designProblems(records, experiment));
  const { flag, rule } = target;
  return {
    unit: unitOf(rule),
    seed: rule.seed ?? flag.seed,
    variants: weightedVariants(rule),
  };
};

const requireStartable = (records: Records, experiment: Experiment, at: number): void => {
  const problems = [
    ...designProblems(records, experiment),
    ...planProblems(experiment, at),
    ...rivalProblems(records, experiment),
    ...layerProblems(records, experiment),
  ];
  if (problems.length > 0) throw notStartable(experiment, problems);
};

const notStartable = ({ key }: Experiment, details: readonly ErrorDetail[]): PennonError => {
  const [first] = details;
  const reason = first === undefined ? '' : `: ${first.path} ${first.message}`;
  return new PennonError('CONFLICT', `experiment "${key}" cannot be started${reason}`, { details });
};

const planProblems = ({ metrics, plan, analysis }: Experiment, at: number): ErrorDetail[] => [
  ...(metrics.some(({ role }) => role === 'primary')
    ? []
    : [{ path: 'metrics', message: 'need one with the role "primary", which decides' }]),
  ...(analysis.method === 'fixed' && plan == null
    ? [{ path: 'plan', message: 'is missing: the method "fixed" tests once, at the planned end' }]
    : []),
  ...(plan != null && Date.parse(plan.end) <= at
    ? [{ path: 'plan.end', message: 'must be in the future' }]
    : []),
];

/** The slots in the conditions of the rule must belong to the experiment, and be those of its units. */
const layerProblems = (records: Records, experiment: Experiment): ErrorDetail[] => {
  const target = targetOf(records, experiment);
  if (target === undefined) return [];
  return layersOfRule(records.layers, target.rule).flatMap(({ layer, variants }) => {
    const claim = layer.claims.find(each => each.experiment === experiment.key && isHeld(each));
    const remedy = `claim them with POST /api/v1/layers/${layer.key}/claims`;
    const [own, expected] = [unitOf(target.rule), unitOfLayer(layer)];
    if (claim === undefined || !variants.every(variant => claim.variants.includes(variant)))
      return [
        {
          path: 'rule',
          message: `needs slots of layer "${layer.key}" that are not its own: ${remedy}`,
        },
      ];
    return own === expected
      ? []
      : [
          {
            path: 'rule',
            message: `buckets by "${own}", and layer "${layer.key}" by "${expected}": they must be the same`,
          },
        ];
  });
};

/** Other experiments must leave the rule alone, and their number is bounded. */
const rivalProblems = ({ experiments, ramps }: Records, experiment: Experiment): ErrorDetail[] => {
  const live = liveExperiments(experiments);
  const rivals = live.filter(
    ({ flag, rule }) => flag === experiment.flag && rule === experiment.rule,
  );
  return [
    ...rampsOn(ramps, experiment).map(({ key }) => ({
      path: 'rule',
      message: `is released by ramp "${key}": wait until that is completed, or roll it back first`,
    })),
    ...rivals.map(({ key }) => ({
      path: 'rule',
      message: `is measured by experiment "${key}" already: stop that one first`,
    })),
    ...(live.length >= LIMITS.liveExperiments
      ? [{ path: '', message: `at most ${LIMITS.liveExperiments} may run at the same time` }]
      : []),
  ];
};
