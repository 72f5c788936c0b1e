import type { UnitState } from '@pennon/statistics/fold';

import type { MeasuredRun } from './measured-runs.ts';
import { REST_BYTES, restOf } from './units.ts';

/**
 * Units whose values are final, one bucket in one text: of each unit the bytes that its bucket does not have, its
 * variant, and the hour of its first exposure, counted from the start of the run in two bytes.
 */
const UNIT_BYTES = REST_BYTES + 3;
const HOUR_MS = 3_600_000;
const MAX_HOURS = 0xff_ff;
const BYTE = 0xff;

type Layout = Pick<MeasuredRun, 'variants' | 'folded'>;

const positionOf = (settled: string, unit: string): number => {
  const rest = restOf(unit);
  let at = settled.indexOf(rest);
  while (at !== -1 && at % UNIT_BYTES !== 0) at = settled.indexOf(rest, at + 1);
  return at;
};

/** Adds a unit, or changes it. Units are strings of bytes. */
export const withSettled = (
  settled: string,
  unit: string,
  { variant, exposedMs }: Pick<UnitState, 'variant' | 'exposedMs'>,
  { variants, folded }: Layout,
): string => {
  const hours = Math.min(MAX_HOURS, Math.floor((exposedMs - folded.startMs) / HOUR_MS));
  const fields = [variants.indexOf(variant), hours >> 8, hours & BYTE];
  return withoutSettled(settled, unit) + restOf(unit) + String.fromCharCode(...fields);
};

export const withoutSettled = (settled: string, unit: string): string => {
  const at = positionOf(settled, unit);
  return at === -1 ? settled : settled.slice(0, at) + settled.slice(at + UNIT_BYTES);
};

/** Returns the state of a unit, if it is among those. */
export const settledState = (
  settled: string,
  unit: string,
  { variants, folded }: Layout,
): UnitState | undefined => {
  const at = positionOf(settled, unit);
  if (at === -1) return undefined;
  const byte = (index: number): number => settled.charCodeAt(at + REST_BYTES + index);
  return {
    variant: variants[byte(0)] ?? '',
    exposedMs: folded.startMs + ((byte(1) << 8) | byte(2)) * HOUR_MS,
    totals: [],
    covariates: [],
    isQuarantined: false,
    isSettled: true,
  };
};
