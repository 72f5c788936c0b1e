import type { Cell } from '../store/event-store.ts';
import { bucketOf, bytesOfUnit, settledFieldOf, settledFields } from './units.ts';

const RADIX = 36;

const bucketName = (bucket: number): string => bucket.toString(RADIX);

/** The groups of a partition in the store. */
export const GROUPS = {
  cohorts: (run: string): string => `c:${run}`,
  health: (run: string): string => `h:${run}`,
  environment: 'e',
  /** When events of each name were seen last. */
  seen: 'n',
  /** When each unit was erased. */
  erased: 'x',
  /** The packed states of the units of a bucket, by unit. Most have only the first piece. */
  states: (run: string, bucket: number, piece = 0): string =>
    `s${piece === 0 ? '' : piece}:${run}:${bucketName(bucket)}`,
  /** The units whose values are final, by a part of their bytes. */
  settled: (run: string): string => `m:${run}`,
  /** Up to which time the units of each run are settled. */
  progress: 'r',
  /** The runs and the covariates of which the partition has something of units. */
  inventory: 'k',
  /** The profiles of the units of a bucket for a covariate. */
  profiles: (covariate: string, bucket: number): string => `p:${covariate}:${bucketName(bucket)}`,
  windows: (day: number): string => `w:${day}`,
};

const GROUP_OF_UNITS = /^(?:(?<run>[chm]|s\d*)|p):(?<name>[^:]+)/;

/** What a partition may have of units: the states of a run, or the profiles for a covariate. */
export type UnitsKey = { readonly kind: 'run' | 'covariate'; readonly name: string };

/** Returns the run or the covariate that a group is of. */
export const unitsKeyOf = (group: string): UnitsKey | undefined => {
  const { run, name } = GROUP_OF_UNITS.exec(group)?.groups ?? {};
  return name === undefined ? undefined : { kind: run === undefined ? 'covariate' : 'run', name };
};

/** The only field of the groups of health. */
export const ALL = 'all';

export const stateCell = (run: string, unit: string, piece = 0): Cell => {
  const field = bytesOfUnit(unit);
  return { group: GROUPS.states(run, bucketOf(field), piece), field };
};

/** Returns the cell that has a unit, as bytes, when it is settled. */
export const settledCell = (run: string, unit: string, partitions: number): Cell => ({
  group: GROUPS.settled(run),
  field: bucketName(settledFieldOf(unit, partitions)),
});

/** Returns a part of the cells that a group of settled units may have. */
export const settledCells = (
  group: string,
  partitions: number,
  { part, parts }: { readonly part: number; readonly parts: number },
): Cell[] => {
  const count = Math.ceil(settledFields(partitions) / parts);
  return Array.from({ length: count }, (_, at) => ({
    group,
    field: bucketName(part * count + at),
  }));
};

/** What is known of a unit for a covariate before it is exposed. */
export const profileCell = (covariate: string, unit: string): Cell => {
  const field = bytesOfUnit(unit);
  return { group: GROUPS.profiles(covariate, bucketOf(field)), field };
};
