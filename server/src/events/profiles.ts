import { amountOf, fits, profileAt, withAmount, type Profile } from '@pennon/statistics/fold';

import type { ArrivedEvent } from './fold-step.ts';
import { profileCell } from './groups.ts';
import { covariateName, type MeasuredRun, type MeasuredRuns } from './measured-runs.ts';
import type { Load, Writes } from './unit-states.ts';

type Exposure = ArrivedEvent & { readonly type: 'exposure' };

/** Returns what was known of a unit before an exposure, one number for each metric of the run. */
export type CovariatesOf = (event: Exposure, run: MeasuredRun) => number[];

const TIME_AT = 8;
const TIME_BYTES = 6;
const PROFILE_BYTES = TIME_AT + TIME_BYTES;

/** A profile is a double and the milliseconds since 1970. */
const packProfile = ({ value, timeMs }: Profile): string => {
  const bytes = Buffer.alloc(PROFILE_BYTES);
  bytes.writeDoubleBE(value);
  bytes.writeUIntBE(timeMs, TIME_AT, TIME_BYTES);
  return bytes.toString('latin1');
};

const unpackProfile = (text: string): Profile => {
  const bytes = Buffer.from(text, 'latin1');
  return { value: bytes.readDoubleBE(), timeMs: bytes.readUIntBE(TIME_AT, TIME_BYTES) };
};

/** The profile of a unit for a covariate. */
type ProfileKey = { readonly unit: string; readonly name: string };

const nameOf = ({ unit, name }: ProfileKey): string => `${unit} ${name}`;

/** Adds tracking events to what is known of their units. */
export const foldProfiles = async (
  load: Load,
  { set }: Writes,
  measured: MeasuredRuns,
  events: readonly ArrivedEvent[],
): Promise<CovariatesOf> => {
  const keys = new Map(
    events.flatMap(event => profilesOf(measured, event)).map(key => [nameOf(key), key] as const),
  );
  if (keys.size === 0) return () => [];
  const profiles = await loadProfiles(load, [...keys.values()]);
  const changed = new Set<string>();
  /** What was known at the time of each exposure. */
  const known = new Map<ArrivedEvent, number[]>();
  for (const event of events) {
    if (event.type === 'exposure') {
      const run = measured.byExperiment.get(event.experiment);
      if (run !== undefined) known.set(event, covariatesAt(profiles, run, event));
      continue;
    }
    for (const { unit, name } of profilesOf(measured, event)) {
      const source = measured.covariates.get(name)?.source;
      const amount = source && amountOf(source, event);
      if (amount === undefined) continue;
      const key = nameOf({ unit, name });
      profiles.set(key, withAmount(profiles.get(key), event.timeMs, amount));
      changed.add(key);
    }
  }
  for (const key of changed) {
    const [profileKey, profile] = [keys.get(key), profiles.get(key)];
    if (profileKey !== undefined && profile !== undefined)
      set(profileCell(profileKey.name, profileKey.unit), packProfile(profile));
  }
  return event => known.get(event) ?? [];
};

/** Returns the profiles that an event reads or changes. */
const profilesOf = (
  { byExperiment, covariates }: MeasuredRuns,
  event: ArrivedEvent,
): ProfileKey[] => {
  const { unit } = event;
  if (event.type === 'exposure') {
    const run = byExperiment.get(event.experiment);
    return namesOf(run).map(name => ({ unit, name }));
  }
  return Array.from(covariates, ([name, { attribute, source }]) =>
    attribute === event.attribute && fits(source, event) ? [{ unit, name }] : [],
  ).flat();
};

const namesOf = (run: MeasuredRun | undefined): string[] =>
  run === undefined
    ? []
    : run.folded.metrics.flatMap(({ key, hasCovariate }) =>
        hasCovariate === true ? [covariateName(run.attribute, key)] : [],
      );

const loadProfiles = async (
  load: Load,
  keys: readonly ProfileKey[],
): Promise<Map<string, Profile>> => {
  const packed = await load(keys.map(({ unit, name }) => profileCell(name, unit)));
  return new Map(
    keys.flatMap((profileKey, at) => {
      const text = packed[at];
      return text === undefined ? [] : [[nameOf(profileKey), unpackProfile(text)] as const];
    }),
  );
};

const covariatesAt = (
  profiles: ReadonlyMap<string, Profile>,
  { attribute, folded }: MeasuredRun,
  { unit, timeMs }: ArrivedEvent,
): number[] =>
  folded.metrics.map(({ key, hasCovariate }) =>
    hasCovariate === true
      ? profileAt(profiles.get(nameOf({ unit, name: covariateName(attribute, key) })), timeMs)
      : 0,
  );
