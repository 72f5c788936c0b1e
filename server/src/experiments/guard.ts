import {
  isLive,
  type Actor,
  type AuditAction,
  type Experiment,
  type ExperimentHarm,
  type Flag,
  type Rule,
} from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import { formatInstant } from '../clock.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView, LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { WritePlan } from '../replication/writer.ts';
import { serverFieldsAfter, versionOf } from '../resources/plan.ts';
import { validateFlag } from '../resources/validate.ts';
import { revisionOf } from '../store/change-id.ts';
import { StoreError } from '../store/store.ts';
import { analysisInput } from './analysis-input.ts';
import { targetOf, weightedVariants, type Target } from './design.ts';
import { harmEvidence } from './harm-evidence.ts';
import { dataOf, look, type ResultsServices } from './results.ts';
import { readRun } from './run-documents.ts';
import { stopped } from './runs.ts';

/** Who the audit log names for what the server does about harm. */
const EXPERIMENT_ACTOR: Actor = {
  kind: 'system',
  id: 'pennon:experiment',
  name: 'pennon:experiment',
};

/** Events that are older than this and not counted yet could change what is found. */
const MAX_LAG_MS = 60_000;

type Harm = Omit<ExperimentHarm, 'at' | 'revision'>;

/** The runs whose guardrails are watched. */
export const isGuarded = ({ metrics, ...experiment }: Experiment): boolean =>
  isLive(experiment) && metrics.some(({ role }) => role === 'guardrail');

/** Looks at the guardrails of an experiment, and does what is stated for the gravest harm that is new. */
export const guardExperiment = async (
  services: ResultsServices,
  live: LiveFlagSet,
  key: string,
): Promise<void> => {
  const experiment = live.replica.current().records.experiments.get(key)?.document;
  if (experiment === undefined || !isGuarded(experiment)) return;
  const [harm] = await newHarms(services, live, experiment);
  if (harm === undefined) return;
  const after = await carryOut(services, live, experiment, harm);
  if (after?.run === undefined || isLive(after)) return;
  await look(services, { live, experiment: after, run: after.run }).catch(ignoreOutage);
};

/** The results of a run that is over are computed at the next look if that fails now. */
const ignoreOutage = (error: unknown): void => {
  if (!(error instanceof PennonError || error instanceof StoreError)) throw error;
};

/** Returns the harms of which nothing was done yet, the gravest first. Data that cannot be trusted show no harm. */
const newHarms = async (
  services: ResultsServices,
  live: LiveFlagSet,
  experiment: Experiment,
): Promise<Harm[]> => {
  const { run } = experiment;
  if (run === undefined) return [];
  const started = { live, experiment, run };
  const recorded = await readRun(services, started);
  const data = await dataOf(services, started, recorded, services.clock.now());
  if (experiment.source === 'events' && data.moments.lagMs > MAX_LAG_MS) return [];
  const input = analysisInput(started, { ...data, decided: [], ended: false, final: false });
  const computed = await services.analyst.compute('guardrails', input);
  if (computed.sampleRatio.mismatch) return [];
  return computed.guardrails
    .filter(({ status }) => status === 'harming')
    .map((found): Harm => ({
      done: found.onHarm ?? 'warn',
      variant: found.variant,
      text: `"${found.variant}" is worse than "${experiment.control}" in metric "${found.metric}".`,
      evidence: harmEvidence({ ...computed, input }, found.variant, found),
    }))
    .filter(harm => !isKnown(experiment, harm))
    .toSorted((a, b) => GRAVITY[b.done] - GRAVITY[a.done]);
};

const GRAVITY = { rollback: 2, pause: 1, warn: 0 };

/** A person who enables the flag after a pause has decided, so the same harm pauses it once only. */
const isKnown = ({ harms = [] }: Experiment, { variant, evidence }: Harm): boolean =>
  harms.some(each => each.variant === variant && each.evidence.metric === evidence.metric);

type Plan = WritePlan<'flagSet', Experiment | undefined>;

const NOTHING: Plan = { writes: {}, audit: [], result: () => undefined };

/** Writes what is done. It is planned on the current data: after a concurrent change, once more. */
const carryOut = (
  { clock }: ResultsServices,
  live: LiveFlagSet,
  before: Experiment,
  harm: Harm,
): Promise<Experiment | undefined> =>
  live.write(view => {
    const { records, id } = view.snapshot;
    const current = records.experiments.get(before.key)?.document;
    if (current === undefined || !isLive(current) || current.run?.id !== before.run?.id)
      return NOTHING;
    if (isKnown(current, harm)) return NOTHING;
    const at = clock.now();
    const done = { ...harm, at: formatInstant(at), revision: revisionOf(id) };
    const target = targetOf(records, current);
    const change = target === undefined ? {} : CHANGES[harm.done](current, target);
    const notReplaced = { text: `${done.text} ${NOT_REPLACED}`, notReplaced: true };
    const found = { ...done, ...(change.isReplaced === false && notReplaced) };
    const harms = [...(current.harms ?? []), found];
    const over = harm.done === 'rollback' ? stopped(current, at) : current;
    const after = { ...over, ...serverFieldsAfter(current, at), harms };
    return planOf(view, { environment: live.environment, at, current, after, target, ...change });
  });

type Change = {
  /** The flag, unless it stays as it is. */
  readonly flag?: Flag;
  /** Whether the rule serves the control now. */
  readonly isReplaced?: boolean;
};

const CHANGES: Readonly<Record<Harm['done'], (experiment: Experiment, target: Target) => Change>> =
  {
    warn: () => ({}),
    pause: (_, { flag }) => (flag.enabled ? { flag: { ...flag, enabled: false } } : {}),
    rollback: (experiment, { flag, rule }) => {
      const isReplaced = isAsStarted(experiment, rule);
      const next = isReplaced
        ? servingControl(rule, experiment.control)
        : { ...rule, percentage: 0 };
      const rules = flag.rules.map(each => (each.id === rule.id ? next : each));
      return { flag: { ...flag, rules }, isReplaced };
    },
  };

/** The same units as before get the control, and all others what they had. */
const servingControl = (rule: Rule, control: string): Rule => {
  const { split: _, ...rest } = rule;
  return { ...rest, variant: control };
};

/** Whether the rule still has the split that the run has begun with. */
const isAsStarted = ({ run }: Experiment, rule: Rule): boolean =>
  JSON.stringify(weightedVariants(rule)) === JSON.stringify(run?.variants);

const NOT_REPLACED =
  'Another caller has changed the split of the rule, so it was not replaced: the rule applies to no unit now.';

type Written = Change & {
  readonly environment: string;
  readonly at: number;
  readonly current: Experiment;
  readonly after: Experiment;
  readonly target: Target | undefined;
};

/** Plans one commit that writes the experiment, and its flag if that changes too. */
const planOf = async (
  view: FlagSetView,
  { environment, at, current, after, target, flag }: Written,
): Promise<Plan> => {
  const caller = { actor: EXPERIMENT_ACTOR };
  const action = ACTIONS[after.harms?.at(-1)?.done ?? 'warn'];
  const { key } = current;
  const entry = auditDraft(caller, at, { action, environment, key, before: current, after });
  const experiments = new Map([[key, after]]);
  if (flag === undefined || target === undefined)
    return { writes: { experiments }, audit: [entry], result: () => after };
  const changed = { ...flag, ...serverFieldsAfter(target.flag, at) };
  await validateFlag(view, changed);
  const flagEntry = auditDraft(caller, at, {
    action: 'flag.update',
    environment,
    key: flag.key,
    before: target.flag,
    after: changed,
  });
  return {
    writes: { experiments, flags: new Map([[flag.key, changed]]) },
    versions: { flags: [versionOf(flagEntry, changed)] },
    audit: [entry, flagEntry],
    result: () => after,
  };
};

const ACTIONS = {
  pause: 'experiment.pause',
  rollback: 'experiment.rollback',
  warn: 'experiment.warn',
} as const satisfies Readonly<Record<Harm['done'], AuditAction>>;
