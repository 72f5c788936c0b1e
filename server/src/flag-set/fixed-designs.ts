import { isDeepStrictEqual } from 'node:util';

import { references } from '@pennon/engine';
import {
  DEFAULT_UNIT,
  DESIGN_FIELDS,
  isLive,
  type ErrorDetail,
  type Experiment,
  type Flag,
  type Layer,
  RAMP_DESIGN_FIELDS,
  isAtWork,
  type Metric,
  type Ramp,
  type Rule,
  type Segment,
} from '@pennon/schema';

import { PennonError } from '../errors.ts';
import type { Replica } from '../replication/replica.ts';
import type { Snapshot, Stored, Writes } from '../store/store.ts';
import { liveExperiments, rampsAtWork, rampsOn } from './measured.ts';
import { forOthers, nameOfOthers } from './others.ts';
import { complete, isSameRule } from './same-rule.ts';

type Records = Snapshot<'flagSet'>['records'];
type Write = { readonly writes: Writes<'flagSet'>; readonly replaceAll?: boolean };

/**
 * Returns the replica of a flag set with writes that leave unchanged what experiments and ramps have fixed. Each write
 * passes here, so no route needs a check of its own.
 */
export const withFixedDesigns = (replica: Replica<'flagSet'>): Replica<'flagSet'> => ({
  ...replica,
  write: planWrite =>
    replica.write(async snapshot => {
      const plan = await planWrite(snapshot);
      requireFixedDesigns(snapshot.records, plan);
      return plan;
    }),
});

/** Throws CONFLICT if a write changes what an experiment or a ramp has fixed, unless it ends the run. */
export const requireFixedDesigns = (records: Records, write: Write): void => {
  const [first] = fixedDesignRefusals(records, write);
  if (first !== undefined) throw first;
};

/** Returns why a write would be refused, once for each document that an experiment or a ramp has fixed. */
export const fixedDesignProblems = (records: Records, write: Write): ErrorDetail[] =>
  problemsOfRefusals(fixedDesignRefusals(records, write));

/** Returns the message of each refusal, once for each path of its details. */
export const problemsOfRefusals = (refusals: readonly PennonError[]): ErrorDetail[] =>
  refusals.flatMap(({ message, extra: { details = [] } }) =>
    [...new Set(details.map(({ path }) => path))].map(path => ({ path, message })),
  );

/** Returns why a write is refused: one error for each experiment or ramp of which it changes something fixed. */
const fixedDesignRefusals = (records: Records, write: Write): readonly PennonError[] => {
  if (Object.keys(write.writes).length === 0) return [];
  const after = documentsAfter(records, write);
  const ofExperiments = liveExperiments(records.experiments).flatMap(experiment => {
    const problems = problemsOf(experiment, records, after);
    return problems.length > 0 ? [refusal(experiment, problems)] : [];
  });
  const ofRamps = rampsAtWork(records.ramps).flatMap(ramp => {
    const problems = rampProblems(ramp, records, after);
    return problems.length > 0 ? [rampRefusal(ramp, problems)] : [];
  });
  return [...ofExperiments, ...ofRamps, ...layerRefusals(records, write, after)];
};

/** The flag of a layer is fixed, because each change of it would move units between experiments. */
const layerRefusals = (records: Records, { writes }: Write, after: After): PennonError[] =>
  [...(writes.flags?.keys() ?? [])].flatMap(key => {
    const before = records.layers.has(key) ? records.flags.get(key)?.document : undefined;
    if (before === undefined || after.layer(key) === undefined) return [];
    const next = after.flag(key);
    const fixed = ['seed', 'type', 'variants', 'defaultVariant', 'rules', 'clientVisible'] as const;
    if (next !== undefined && fixed.every(name => isSame(before[name], next[name]))) return [];
    const message = `flag "${key}" is a layer, so its variants, rules and seed are fixed: delete the layer (DELETE /api/v1/layers/${key}), or create another one`;
    return [new PennonError('CONFLICT', message, { details: [{ path: `flags.${key}`, message }] })];
  });

const refusal = ({ key, state }: Experiment, details: readonly ErrorDetail[]): PennonError =>
  new PennonError(
    'CONFLICT',
    `experiment "${key}" is ${state}, so ${details[0]?.message ?? 'it cannot change'}: ` +
      `stop it first (POST /api/v1/experiments/${key}/stop)`,
    { details },
  );

const rampRefusal = ({ key, state }: Ramp, details: readonly ErrorDetail[]): PennonError =>
  new PennonError(
    'CONFLICT',
    `ramp "${key}" is ${state}, so ${details[0]?.message ?? 'it cannot change'}: ` +
      `roll it back first (POST /api/v1/ramps/${key}/rollback), or disable the flag to stop it at once`,
    { details },
  );

/** The documents of a flag set after a write. */
type After = {
  readonly flag: (key: string) => Flag | undefined;
  readonly metric: (key: string) => Metric | undefined;
  readonly experiment: (key: string) => Experiment | undefined;
  readonly ramp: (key: string) => Ramp | undefined;
  readonly layer: (key: string) => Layer | undefined;
  readonly segment: (key: string) => Segment | undefined;
};

const documentsAfter = (records: Records, { writes, replaceAll = false }: Write): After => ({
  flag: afterIn(records.flags, writes.flags, replaceAll),
  metric: afterIn(records.metrics, writes.metrics, replaceAll),
  experiment: afterIn(records.experiments, writes.experiments, replaceAll),
  ramp: afterIn(records.ramps, writes.ramps, replaceAll),
  layer: afterIn(records.layers, writes.layers, replaceAll),
  segment: afterIn(records.segments, writes.segments, replaceAll),
});

const afterIn =
  <Document>(
    records: ReadonlyMap<string, Stored<Document>>,
    writes: ReadonlyMap<string, Document | null> | undefined,
    replaceAll: boolean,
  ) =>
  (key: string): Document | undefined => {
    const written = writes?.get(key);
    if (written !== undefined) return written ?? undefined;
    return replaceAll ? undefined : records.get(key)?.document;
  };

const problemsOf = (experiment: Experiment, records: Records, after: After): ErrorDetail[] => {
  const next = after.experiment(experiment.key);
  const path = `experiments.${experiment.key}`;
  if (next?.run?.id !== experiment.run?.id)
    return [{ path, message: 'it can neither be deleted nor replaced' }];
  if (next === undefined || !isLive(next)) return [];
  return [
    ...designProblems(experiment, next, path),
    ...metricProblems(experiment.metrics, records, after),
    ...dependencyProblems(experiment, records, after),
    ...flagProblems(experiment, records, after),
  ];
};

const designProblems = (before: Experiment, next: Experiment, path: string): ErrorDetail[] =>
  DESIGN_FIELDS.filter(name => !isSame(before[name], next[name])).map(name => ({
    path: `${path}.${name}`,
    message: `its "${name}" is fixed`,
  }));

/** An absent field is the same as null. */
const isSame = (before: unknown, after: unknown): boolean =>
  isDeepStrictEqual(before ?? null, after ?? null);

/** What a ramp has fixed. Its own steps change the rule and the ramp in one write. */
const rampProblems = (ramp: Ramp, records: Records, after: After): ErrorDetail[] => {
  const next = after.ramp(ramp.key);
  const path = `ramps.${ramp.key}`;
  if (next?.run?.id !== ramp.run?.id)
    return [{ path, message: 'it can neither be deleted nor replaced' }];
  if (next === undefined || !isAtWork(next)) return [];
  const changed = RAMP_DESIGN_FIELDS.filter(name => !isSame(ramp[name], next[name]));
  return [
    ...changed.map(name => ({ path: `${path}.${name}`, message: `its "${name}" is fixed` })),
    ...metricProblems(ramp.guardrails, records, after),
    ...dependencyProblems(ramp, records, after),
    ...(next.step === ramp.step ? rampRuleProblems(ramp, records, after) : []),
  ];
};

/** Unlike an experiment, a ramp decides about the whole rule. */
const rampRuleProblems = (ramp: Ramp, records: Records, after: After): ErrorDetail[] => {
  const before = records.flags.get(ramp.flag)?.document;
  const next = after.flag(ramp.flag);
  const names = [ramp.treatment, ramp.control];
  const problems = partProblems({ ...ramp, names }, records, after);
  if (problems.length > 0 || before === undefined || next === undefined) return problems;
  const [from, to] = [before, next].map(flag => flag.rules.find(({ id }) => id === ramp.rule));
  if (isSameRule(from, to)) return othersProblems(ramp, records, { before, next });
  const message = `rule "${ramp.rule}" of flag "${ramp.flag}" is fixed`;
  return [{ path: `flags.${ramp.flag}`, message }];
};

/**
 * If users that the rule does not serve got the treatment, a rollback would give it to all. What another ramp does to
 * its own rule is never refused.
 */
const othersProblems = (
  { flag, rule, treatment }: Ramp,
  { ramps }: Records,
  { before, next }: { readonly before: Flag; readonly next: Flag },
): ErrorDetail[] => {
  const others = forOthers(next, rule);
  if (others.variant !== treatment || forOthers(before, rule).variant === treatment) return [];
  if (others.rule !== undefined && rampsOn(ramps, { flag, rule: others.rule }).length > 0)
    return [];
  const message = `${nameOfOthers(others)} of flag "${flag}" must not serve its treatment "${treatment}" to all others`;
  return [{ path: `flags.${flag}`, message }];
};

const metricProblems = (
  metrics: readonly { readonly metric: string }[],
  records: Records,
  after: After,
): ErrorDetail[] =>
  metrics
    .map(({ metric }) => metric)
    .filter(key => !isSame(records.metrics.get(key)?.document, after.metric(key)))
    .map(key => ({
      path: `metrics.${key}`,
      message: `metric "${key}" is fixed, and a changed one needs another key`,
    }));

type OnRule = Pick<Experiment, 'flag' | 'rule'>;

/** The segments and flags that decide who reaches a rule are fixed as well. */
const dependencyProblems = (on: OnRule, records: Records, after: After): ErrorDetail[] => {
  const { flags, segments } = dependenciesOf(on, records);
  const isChangedSegment = (key: string): boolean =>
    !isSame(records.segments.get(key)?.document.conditions, after.segment(key)?.conditions);
  const problem = (kind: 'segment' | 'flag') => (key: string) => ({
    path: `${kind}s.${key}`,
    message: `${kind} "${key}" is fixed, because rule "${on.rule}" of flag "${on.flag}" or a rule before it depends on it`,
  });
  return [
    ...[...segments].filter(isChangedSegment).map(problem('segment')),
    ...[...flags].filter(key => isChangedFlag(key, records, after)).map(problem('flag')),
  ];
};

type Dependencies = {
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
};

/** Returns what the conditions of a rule and of those before it depend on, also through other flags. */
const dependenciesOf = ({ flag: key, rule: id }: OnRule, { flags: all }: Records): Dependencies => {
  const [flags, segments] = [new Set<string>(), new Set<string>()];
  const visit = (flag: Pick<Flag, 'rules'> | undefined): void => {
    const found = references(flag);
    for (const segment of found.segments) segments.add(segment);
    for (const other of found.flags) {
      if (flags.has(other)) continue;
      flags.add(other);
      visit(all.get(other)?.document);
    }
  };
  const flag = all.get(key)?.document;
  const { flags: named, segments: used } = references(flag);
  if (flag !== undefined && named.length + used.length > 0)
    visit({ rules: flag.rules.slice(0, flag.rules.findIndex(rule => rule.id === id) + 1) });
  return { flags, segments };
};

/** A layer has a check of its own. */
const isChangedFlag = (key: string, records: Records, after: After): boolean => {
  const before = records.flags.get(key)?.document;
  const next = after.flag(key);
  if (before === next || before === undefined || records.layers.has(key)) return false;
  const isMoving = (rule: string) => isDecidedBySteps({ flag: key, rule }, records, after);
  return next === undefined || !isSame(selectionOf(before, isMoving), selectionOf(next, isMoving));
};

/** What decides which variant a flag has. Whether it is enabled can change, because that stops it at once. */
const selectionOf = (flag: Flag, isMoving: (rule: string) => boolean): object => ({
  seed: flag.seed ?? null,
  variants: Object.keys(flag.variants).toSorted(),
  defaultVariant: flag.defaultVariant,
  rules: flag.rules.filter(({ id }) => !isMoving(id)).map(complete),
});

const flagProblems = (experiment: Experiment, records: Records, after: After): ErrorDetail[] => {
  const before = records.flags.get(experiment.flag)?.document;
  const next = after.flag(experiment.flag);
  const names = (experiment.run?.variants ?? []).map(({ variant }) => variant);
  const problems = partProblems({ ...experiment, names }, records, after);
  if (problems.length > 0 || before === undefined || next === undefined) return problems;
  return shareProblems(before, next, experiment);
};

/** A rule, with the names of the variants that are compared. */
type Compared = OnRule & { readonly names: readonly (string | null | undefined)[] };

const partProblems = (compared: Compared, records: Records, after: After): ErrorDetail[] => {
  const { flag } = compared;
  const before = records.flags.get(flag)?.document;
  const next = after.flag(flag);
  if (before === undefined || before === next) return [];
  const path = `flags.${flag}`;
  if (next === undefined) return [{ path, message: `flag "${flag}" is in use` }];
  const isMoving = (id: string) => isDecidedBySteps({ flag, rule: id }, records, after);
  const changed = fixedParts(next, compared, isMoving);
  return [...fixedParts(before, compared, isMoving)]
    .filter(([part, value]) => !isSame(value, changed.get(part)))
    .map(([part]) => ({ path, message: `${part} of flag "${flag}" is fixed` }));
};

/** Whether the share of a rule is that of a ramp, or of an experiment that ends by its guardrails: neither may fail. */
const isDecidedBySteps = (on: OnRule, records: Records, after: After): boolean =>
  rampsOn(records.ramps, on).length > 0 ||
  liveExperiments(records.experiments).some(({ key, flag, rule }) => {
    const next = after.experiment(key);
    const isOn = flag === on.flag && rule === on.rule;
    return isOn && next !== undefined && !isLive(next) && next.decision == null;
  });

/** What an experiment fixes of its flag. Everything else may change, also whether the flag is enabled. */
const fixedParts = (
  flag: Flag,
  { rule: id, names }: Compared,
  isMoving: (rule: string) => boolean,
): ReadonlyMap<string, unknown> => {
  const at = flag.rules.findIndex(rule => rule.id === id);
  const rule = flag.rules[at];
  const compared = names.filter(name => name != null);
  const parts = new Map<string, unknown>([
    ['the seed', flag.seed],
    ['the list of variants', Object.keys(flag.variants).toSorted()],
    ...compared.map(name => [`the value of variant "${name}"`, flag.variants[name]] as const),
    [`rule "${id}"`, rule === undefined],
  ]);
  if (rule === undefined) return parts;
  const earlier = flag.rules
    .slice(0, at)
    .map(each => (isMoving(each.id) ? { conditions: each.conditions } : admissionOf(each)));
  return parts
    .set(`what is before rule "${id}"`, earlier)
    .set(`the conditions in rule "${id}"`, rule.conditions)
    .set(`the split in rule "${id}"`, rule.split)
    .set(`"bucketBy" in rule "${id}"`, rule.bucketBy ?? DEFAULT_UNIT)
    .set(`the seed in rule "${id}"`, rule.seed);
};

/** What decides which users a rule serves. What it serves them makes no difference to the rules after it. */
const admissionOf = (rule: Rule): object => ({
  conditions: rule.conditions,
  percentage: percentageOf(rule),
  bucketBy: rule.bucketBy ?? DEFAULT_UNIT,
  seed: rule.seed ?? null,
});

const shareProblems = (before: Flag, next: Flag, { rule: id, flag }: Experiment): ErrorDetail[] => {
  const [from, to] = [before, next].map(({ rules }) =>
    percentageOf(rules.find(rule => rule.id === id)),
  );
  if (from === undefined || to === undefined || to >= from) return [];
  return [
    {
      path: `flags.${flag}`,
      message: `the percentage of rule "${id}" of flag "${flag}" can be raised, but not lowered`,
    },
  ];
};

const percentageOf = (rule: Rule | undefined): number => rule?.percentage ?? 100;
