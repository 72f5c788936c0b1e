import { Ramp, RAMP_DESIGN_FIELDS } from '@pennon/schema';

import { invalid } from '../errors.ts';
import { takenBy } from '../experiments/experiment.ts';
import { differences } from '../resources/differences.ts';
import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import { noWarnings, requireRoom, type ResourceType } from '../resources/resource-type.ts';
import { rampProblems } from './design.ts';

/** Fields that only a ramp at work changes, so a request may send them back as it has read them. */
const RUN_FIELDS = [
  'state',
  'step',
  'stepStartedAt',
  'approved',
  'run',
  'before',
  'reason',
  'noted',
] as const satisfies readonly (keyof Ramp)[];

const NOT_STARTED = { state: 'draft', step: 0 };

const runOf = (current: Ramp | null): object =>
  current === null
    ? NOT_STARTED
    : Object.fromEntries(Object.entries<unknown>(current).filter(([name]) => isOfRun(name)));

const isOfRun = (name: string): boolean => RUN_FIELDS.some(each => each === name);

/** Returns the fields of a ramp that do not depend on its run. */
const withoutRun = (ramp: object): object =>
  Object.fromEntries(Object.entries(ramp).filter(([name]) => !isOfRun(name)));

export const rampResource: ResourceType<'ramps'> = {
  collection: 'ramps',
  kind: 'ramp',
  parse: (input, serverFields, current) =>
    parseOrThrow(Ramp, {
      ...DEFAULTS,
      ...mergePatch({}, withoutRun(input), CLEARED_VALUES),
      ...runOf(current),
      ...serverFields,
    }),
  merge: (current, patch, serverFields) =>
    parseOrThrow(Ramp, { ...mergePatch(current, patch, CLEARED_VALUES), ...serverFields }),
  async validate(view, ramp, current) {
    requireRoom(view, 'ramps', current);
    const { records } = view.snapshot;
    if (current === null && records.experiments.has(ramp.key))
      throw takenBy('experiment', ramp.key);
    if (current !== null && !isRedesigned(current, ramp)) return;
    const problems = rampProblems(records, ramp);
    if (problems.length > 0) throw invalid(problems, `ramp "${ramp.key}"`);
  },
  requireEffect: () => undefined,
  copyOf: (ramp, current) => parseOrThrow(Ramp, { ...withoutRun(ramp), ...runOf(current) }),
  usedBy: () => ({}),
  warnings: noWarnings,
  writes: ramps => ({ ramps }),
  versions: () => ({}),
};

const DEFAULTS = {
  guardrails: [],
  alpha: 0.05,
  minUnits: 100,
  onMismatch: 'pause',
  staleAfterMinutes: 30,
};

/** What null sets a field to in a patch; fields that are not listed are removed. */
const CLEARED_VALUES = { tags: [], ...DEFAULTS };

const isRedesigned = (current: Ramp, next: Ramp): boolean => {
  const fixed: readonly string[] = RAMP_DESIGN_FIELDS;
  return differences(current, next, []).some(({ path }) =>
    fixed.includes(path.split('.')[0] ?? path),
  );
};
