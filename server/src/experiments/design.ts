import {
  DEFAULT_UNIT,
  didYouMean,
  hasCovariate,
  LIMITS,
  type ErrorDetail,
  type Experiment,
  type Flag,
  type Metric,
  type Ramp,
  type Rule,
  type SplitEntry,
} from '@pennon/schema';

import type { Snapshot } from '../store/store.ts';

export type Records = Snapshot<'flagSet'>['records'];

type DocumentsOf<Document> = Pick<
  ReadonlyMap<string, { readonly document: Document }>,
  'get' | 'values'
>;

/** The documents that determine what is measured. */
export type MeasuredRecords = {
  readonly flags: DocumentsOf<Flag>;
  readonly metrics: DocumentsOf<Metric>;
  readonly experiments: DocumentsOf<Experiment>;
  readonly ramps: DocumentsOf<Ramp>;
};

/** The flag and the rule of an experiment. */
export type Target = { readonly flag: Flag; readonly rule: Rule };

/** Returns the flag and the rule of an experiment, if both exist. */
export const targetOf = (
  { flags }: Pick<MeasuredRecords, 'flags'>,
  experiment: Pick<Experiment, 'flag' | 'rule'>,
): Target | undefined => {
  const flag = flags.get(experiment.flag)?.document;
  const rule = flag?.rules.find(({ id }) => id === experiment.rule);
  return flag && rule && { flag, rule };
};

/** The variants of a split that units are served. */
export const weightedVariants = ({ split }: Pick<Rule, 'split'>): SplitEntry[] =>
  (split ?? []).filter(({ weight }) => weight > 0);

/** The attribute whose values a rule buckets by. */
export const unitOf = ({ bucketBy }: Pick<Rule, 'bucketBy'>): string => bucketBy ?? DEFAULT_UNIT;

/** Returns why an experiment could not run: its flag, its rule, its control and its metrics. */
export const designProblems = (records: Records, experiment: Experiment): ErrorDetail[] => [
  ...targetProblems(records, experiment),
  ...metricProblems(records, experiment),
];

const targetProblems = (records: Records, experiment: Experiment): ErrorDetail[] => {
  const flag = records.flags.get(experiment.flag)?.document;
  if (flag === undefined) {
    const suggestion = didYouMean(experiment.flag, records.flags.keyList());
    const message = `flag "${experiment.flag}" does not exist in this environment: create it first${suggestion}`;
    return [{ path: 'flag', message }];
  }
  const rule = flag.rules.find(({ id }) => id === experiment.rule);
  return rule === undefined
    ? [{ path: 'rule', message: unknownRule(flag, experiment.rule) }]
    : ruleProblems(rule, experiment);
};

const unknownRule = ({ key, rules }: Flag, id: string): string => {
  const ids = rules.map(rule => rule.id);
  const known = rules.length === 0 ? 'it has no rules' : `its rules are ${quoted(ids)}`;
  return `flag "${key}" has no rule "${id}"; ${known}${didYouMean(id, ids)}`;
};

const quoted = (names: readonly string[]): string => names.map(name => `"${name}"`).join(', ');

const ruleProblems = (rule: Rule, { control }: Experiment): ErrorDetail[] => {
  const variants = weightedVariants(rule).map(({ variant }) => variant);
  if (variants.length < 2) {
    const message = `rule "${rule.id}" needs a split of at least two variants with a weight above 0`;
    return [{ path: 'rule', message }];
  }
  if (variants.includes(control)) return [];
  const message = `must be a variant of the split with a weight above 0: ${quoted(variants)}${didYouMean(control, variants)}`;
  return [{ path: 'control', message }];
};

const metricProblems = (records: Records, { metrics }: Experiment): ErrorDetail[] =>
  measurementProblems(records, metrics, 'metrics');

/** Returns why metrics cannot be measured together. `path` is that of their list. */
export const measurementProblems = (
  { metrics }: Pick<Records, 'metrics'>,
  list: readonly { readonly metric: string }[],
  path: string,
): ErrorDetail[] => {
  const unknown = list.flatMap(({ metric }, at) =>
    metrics.has(metric)
      ? []
      : [
          {
            path: `${path}.${at}.metric`,
            message: `metric "${metric}" does not exist in this environment: create it first${didYouMean(metric, metrics.keyList())}`,
          },
        ],
  );
  const values = metricsOf({ metrics }, { metrics: list }).reduce(
    (n, each) => n + valuesOf(each),
    0,
  );
  if (values <= LIMITS.valuesPerUnit) return unknown;
  const message = `need ${values} values of each unit, and at most ${LIMITS.valuesPerUnit} are stored: a metric is one, a ratio or a covariate one more`;
  return [...unknown, { path, message }];
};

/** Numbers that are stored of each unit. */
const valuesOf = (metric: Metric): number =>
  1 + Number(metric.kind === 'ratio') + Number(hasCovariate(metric));

/** The metrics of an experiment that exist, in its order. */
export const metricsOf = (
  { metrics }: Pick<MeasuredRecords, 'metrics'>,
  experiment: { readonly metrics: readonly { readonly metric: string }[] },
): Metric[] => experiment.metrics.flatMap(({ metric }) => metrics.get(metric)?.document ?? []);
