import { DESIGN_FIELDS, Experiment, isJsonObject } from '@pennon/schema';

import { invalid, type PennonError } from '../errors.ts';
import { differences } from '../resources/differences.ts';
import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import { noWarnings, requireRoom, type ResourceType } from '../resources/resource-type.ts';
import { designProblems } from './design.ts';

/** Only the start and the end of runs change these fields, so a request may send them back as it has read them. */
const runOf = (current: Experiment | null): Partial<Experiment> => ({
  state: current?.state ?? 'draft',
  ...(current?.run === undefined ? {} : { run: current.run }),
  ...(current?.decision === undefined ? {} : { decision: current.decision }),
  ...(current?.harms === undefined ? {} : { harms: current.harms }),
});

const RUN_FIELDS = new Set(['state', 'run', 'decision', 'harms']);

const withoutRun = (experiment: object): object =>
  Object.fromEntries(Object.entries(experiment).filter(([name]) => !RUN_FIELDS.has(name)));

export const experimentResource: ResourceType<'experiments'> = {
  collection: 'experiments',
  kind: 'experiment',
  parse: (input, serverFields, current) =>
    complete({
      ...mergePatch({}, withoutRun(input), CLEARED_VALUES),
      ...runOf(current),
      ...serverFields,
    }),
  merge: (current, patch, serverFields) =>
    complete({ ...mergePatch(current, patch, CLEARED_VALUES), ...serverFields }),
  async validate(view, experiment, current) {
    requireRoom(view, 'experiments', current);
    const { records } = view.snapshot;
    if (current === null && records.ramps.has(experiment.key))
      throw takenBy('ramp', experiment.key);
    if (current !== null && !isRedesigned(current, experiment)) return;
    const problems = designProblems(records, experiment);
    if (problems.length > 0) throw invalid(problems, `experiment "${experiment.key}"`);
  },
  requireEffect: () => undefined,
  copyOf: (experiment, current) =>
    parseOrThrow(Experiment, { ...withoutRun(experiment), ...runOf(current) }),
  usedBy: () => ({}),
  warnings: noWarnings,
  writes: experiments => ({ experiments }),
  versions: () => ({}),
};

/** An event names an experiment or a ramp by its key alone, so both share the keys. */
export const takenBy = (kind: 'experiment' | 'ramp', key: string): PennonError =>
  invalid([
    {
      path: 'key',
      message: `"${key}" is the key of a${kind === 'ramp' ? '' : 'n'} ${kind}: choose another`,
    },
  ]);

/** What null sets a field to in a patch; fields that are not listed are removed. */
const CLEARED_VALUES = { tags: [], metrics: [], analysis: {}, source: 'events' };

const DEFAULT_ANALYSIS = { method: 'sequential', alpha: 0.05, power: 0.8 };

/** Returns the experiment with the defaults of absent fields. */
const complete = ({ analysis = {}, ...fields }: Readonly<Record<string, unknown>>): Experiment =>
  parseOrThrow(Experiment, {
    metrics: CLEARED_VALUES.metrics,
    source: CLEARED_VALUES.source,
    ...fields,
    analysis: isJsonObject(analysis) ? { ...DEFAULT_ANALYSIS, ...analysis } : analysis,
  });

/** The fields that a run fixes and that differ. */
export const redesignedFields = (current: Experiment, next: Experiment): string[] => {
  const fixed: readonly string[] = DESIGN_FIELDS;
  return differences(current, next, [])
    .map(({ path }) => path)
    .filter(path => fixed.includes(path));
};

const isRedesigned = (current: Experiment, next: Experiment): boolean =>
  redesignedFields(current, next).length > 0;
