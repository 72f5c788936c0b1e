import type { MeasuredRecords, Records } from '../experiments/design.ts';

/** Returns the documents that determine what is measured, of which a copy can be sent to a thread. */
export const measuredRecords = ({
  flags,
  metrics,
  experiments,
  ramps,
}: Records): Required<MeasuredMaps> => {
  const measured = [...experiments.values(), ...ramps.values()].map(
    ({ document }) => document.flag,
  );
  return {
    metrics: new Map(metrics),
    experiments: new Map(experiments),
    ramps: new Map(ramps),
    flags: new Map(
      [...new Set(measured)].flatMap(key => {
        const flag = flags.get(key);
        return flag === undefined ? [] : [[key, flag] as const];
      }),
    ),
  };
};

type MeasuredMaps = {
  readonly [Name in keyof MeasuredRecords]: ReadonlyMap<
    string,
    NonNullable<ReturnType<MeasuredRecords[Name]['get']>>
  >;
};

const COLLECTIONS = ['flags', 'metrics', 'experiments', 'ramps'] as const;

/** Whether both have the same documents: each change makes a new one. */
export const sameRecords = (first: MeasuredRecords, second: MeasuredRecords): boolean =>
  COLLECTIONS.every(name => {
    const [before, after] = [[...first[name].values()], [...second[name].values()]];
    return before.length === after.length && before.every((each, at) => each === after[at]);
  });
