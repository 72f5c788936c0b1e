import { createHash } from 'node:crypto';

import { compile, evaluate, type CompiledFlagSet } from '@pennon/engine';
import {
  hasCovariate,
  isAtWork,
  isCompared,
  isLive,
  type Experiment,
  type Metric,
  type Ramp,
} from '@pennon/schema';
import {
  cohortMsOf,
  type Attributes,
  type FoldedExperiment,
  type FoldMetric,
  type Source,
} from '@pennon/statistics/fold';

import { metricsOf, targetOf, type MeasuredRecords as Records } from '../experiments/design.ts';
import { once } from '../once.ts';

/** A run of an experiment or a ramp, as its events are checked and folded. */
export type MeasuredRun = {
  readonly experiment: string;
  readonly run: string;
  /** The attribute whose values are counted. */
  readonly attribute: string;
  readonly variants: readonly string[];
  readonly folded: FoldedExperiment;
  /** Whether the rule serves a unit this variant. */
  readonly serves: (unit: string, variant: string) => boolean;
};

/** The runs that events are folded into, and the names of all events that metrics read. */
export type MeasuredRuns = {
  readonly byExperiment: ReadonlyMap<string, MeasuredRun>;
  /** All runs whose events were folded, also those that have ended. */
  readonly all: () => readonly MeasuredRun[];
  /** The ids of all runs that events were folded into, without those before a restart. */
  readonly runs: readonly string[];
  readonly eventNames: ReadonlySet<string>;
  /** What is kept of units before they are exposed, by a name for the store. */
  readonly covariates: ReadonlyMap<string, { readonly attribute: string; readonly source: Source }>;
};

/** Returns what is measured of the documents of an environment. */
export const measuredRuns = (records: Records): MeasuredRuns => {
  const experiments = Array.from(records.experiments.values(), ({ document }) => document);
  const ramps = Array.from(records.ramps.values(), ({ document }) => document);
  const runs = [
    ...experiments.filter(each => isLive(each) && each.source === 'events'),
    ...ramps.filter(each => isAtWork(each) && isCompared(each)).map(comparisonOf),
  ].flatMap(each => measuredRun(records, each) ?? []);
  const metrics = Array.from(records.metrics.values(), ({ document }) => document);
  return {
    byExperiment: new Map(runs.map(run => [run.experiment, run])),
    all: () => allRuns(records),
    runs: [...experiments, ...ramps].flatMap(({ run }) => run?.id ?? []),
    eventNames: new Set(metrics.flatMap(metric => sourcesOf(metric).map(({ event }) => event))),
    covariates: covariatesOf(runs, metrics),
  };
};

const allRuns = once((records: Records): readonly MeasuredRun[] => {
  const experiments = Array.from(records.experiments.values(), ({ document }) => document);
  const ramps = Array.from(records.ramps.values(), ({ document }) => document);
  return [
    ...experiments.filter(({ source }) => source === 'events'),
    ...ramps.filter(isCompared).map(comparisonOf),
  ].flatMap(each => measuredRun(records, each) ?? []);
});

/** What determines how events are folded. */
type Comparison = Pick<Experiment, 'key' | 'flag' | 'rule' | 'run' | 'plan'> & {
  readonly metrics: readonly { readonly metric: string }[];
};

const comparisonOf = ({ key, flag, rule, run, guardrails }: Ramp): Comparison => ({
  key,
  flag,
  rule,
  run,
  metrics: guardrails,
});

/** Returns the run with an id, of an experiment or a ramp, if it is the last one. */
export const findRun = (records: Records, id: string): MeasuredRun | undefined => {
  const documents = [
    ...Array.from(records.experiments.values(), ({ document }) => document),
    ...Array.from(records.ramps.values(), ({ document }) => comparisonOf(document)),
  ];
  const found = documents.find(({ run }) => run?.id === id);
  return found && measuredRun(records, found);
};

const measuredRun = (records: Records, experiment: Comparison): MeasuredRun | undefined => {
  const { key, run, plan } = experiment;
  if (run === undefined) return undefined;
  const metrics = metricsOf(records, experiment).map(foldMetric);
  const end = run.enrolmentEndedAt ?? run.endedAt ?? plan?.end;
  return {
    experiment: key,
    run: run.id,
    attribute: run.unit,
    variants: run.variants.map(({ variant }) => variant),
    folded: {
      startMs: Date.parse(run.startedAt),
      endMs: end === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(end),
      cohortMs: cohortMsOf(metrics),
      metrics,
    },
    serves: assignment(run, targetOf(records, experiment)?.rule.percentage ?? undefined),
  };
};

const PROBE = 'probe';

/** Returns whether a rule serves a unit a variant. What its conditions are makes no difference. */
const assignment = (
  { seed, variants: split }: NonNullable<Experiment['run']>,
  percentage: number | undefined,
): MeasuredRun['serves'] => {
  const names = split.map(({ variant }) => [variant, variant] as const);
  const rule = { id: PROBE, conditions: [], split, seed, bucketBy: 'unit', percentage };
  const compiled = compile({
    flags: {
      [PROBE]: {
        type: 'string',
        enabled: true,
        variants: Object.fromEntries(names),
        defaultVariant: split[0]?.variant,
        rules: [rule],
      },
    },
  });
  return (unit, variant) => {
    const result = evaluate(compiled, PROBE, { unit });
    return 'ruleId' in result && result.ruleId === PROBE && result.variant === variant;
  };
};

const foldMetric = (metric: Metric): FoldMetric => {
  const { key, kind, window, cap } = metric;
  const [first, second] = sourcesOf(metric);
  return {
    key,
    sources: second === undefined ? [first] : [first, second],
    window,
    ...(cap != null && { cap }),
    hasCovariate: kind !== 'ratio' && hasCovariate(metric),
  };
};

type EventPart = Pick<Metric, 'where' | 'value'> & { readonly event?: string | null | undefined };

const sourcesOf = (metric: Metric): [Source] | [Source, Source] => {
  const { kind, numerator, denominator } = metric;
  if (kind !== 'ratio') return [sourceOf(kind, metric)];
  return [
    sourceOf(numerator?.kind ?? 'count', numerator ?? {}),
    sourceOf(denominator?.kind ?? 'count', denominator ?? {}),
  ];
};

/** What a sum adds unless it names an attribute. */
const OPENFEATURE_VALUE = 'value';

const sourceOf = (kind: Source['kind'], { event, where, value }: EventPart): Source => ({
  kind,
  event: event ?? '',
  ...(where != null && where.length > 0 && { matches: conditionsOf(where) }),
  ...(kind === 'sum' &&
    value != null &&
    value !== OPENFEATURE_VALUE && {
      read: ({ attributes = {} }) => valueAt(attributes, value),
    }),
});

/** Reads a path such as `order.total`. An attribute with this whole name comes first. */
const valueAt = (attributes: Attributes, path: string): unknown => {
  if (Object.hasOwn(attributes, path)) return attributes[path];
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? Reflect.get(value, name)
          : undefined,
      attributes,
    );
};

const conditionsOf = (conditions: NonNullable<Metric['where']>): NonNullable<Source['matches']> => {
  const rules = [{ id: PROBE, conditions, variant: 'on' }];
  const compiled: CompiledFlagSet = compile({
    flags: {
      [PROBE]: {
        type: 'boolean',
        enabled: true,
        variants: { on: true, off: false },
        defaultVariant: 'off',
        rules,
      },
    },
  });
  return attributes => {
    const result = evaluate(compiled, PROBE, attributes);
    return 'variant' in result && result.variant === 'on';
  };
};

/** Metrics with the same events share what is kept of a unit. */
const covariatesOf = (
  runs: readonly MeasuredRun[],
  metrics: readonly Metric[],
): MeasuredRuns['covariates'] => {
  const attributes = new Set(['targetingKey', ...runs.map(({ attribute }) => attribute)]);
  return new Map(
    [...attributes].flatMap(attribute =>
      metrics
        .filter(metric => metric.kind !== 'ratio' && hasCovariate(metric))
        .map(
          metric =>
            [
              covariateName(attribute, metric.key),
              { attribute, source: sourcesOf(metric)[0] },
            ] as const,
        ),
    ),
  );
};

const NAME_LENGTH = 8;

/** Returns a short name, which is part of the names of groups in the store. */
export const covariateName = (attribute: string, metric: string): string =>
  createHash('sha256').update(`${metric} ${attribute}`).digest('base64url').slice(0, NAME_LENGTH);
