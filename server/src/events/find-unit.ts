import { createHash } from 'node:crypto';

import {
  cohortOf,
  matureMs,
  toNumber,
  type FoldMetric,
  type UnitState,
} from '@pennon/statistics/fold';

import type { RunUnit } from '../experiments/moments.ts';
import type { EventStore } from '../store/event-store.ts';
import type { Ledger } from '../store/store.ts';
import { hashUnit, partitionOf } from './read-batch.ts';
import { loadUnit } from './fold-step.ts';
import type { MeasuredRun } from './measured-runs.ts';

type UnitSource = {
  readonly store: EventStore;
  readonly ledger: Ledger<'flagSet'>;
  readonly secret: string;
};

/** Returns what is known of a unit in a run. Providers with the option `hashUnits` send its SHA-256. */
export const findUnit = async (
  source: UnitSource,
  run: MeasuredRun,
  unit: string,
): Promise<RunUnit> => {
  const state =
    (await stateOf(source, run, unit)) ??
    (await stateOf(source, run, createHash('sha256').update(unit).digest('hex')));
  return {
    assigned: run.variants.find(variant => run.serves(unit, variant)) ?? null,
    exposure: state === undefined ? null : exposureOf(state),
    metrics: state === undefined || state.isSettled === true ? [] : valuesOf(run, state),
  };
};

const stateOf = ({ store, ledger, secret }: UnitSource, run: MeasuredRun, unit: string) => {
  const hash = hashUnit(secret, run.attribute, unit);
  const number = partitionOf(hash, store.partitions);
  return loadUnit(store, { ledger, number }, run, hash);
};

const exposureOf = ({ variant, exposedMs, isQuarantined, isSettled = false }: UnitState) => ({
  variant,
  firstMs: exposedMs,
  quarantined: isQuarantined,
  settled: isSettled,
});

const valuesOf = ({ folded }: MeasuredRun, { exposedMs, totals }: UnitState): RunUnit['metrics'] =>
  folded.metrics.map((metric, at) => {
    const [value = 0, denominator = null] = (totals[at] ?? []).map(toNumber);
    return {
      metric: metric.key,
      value: capped(metric, value),
      denominator,
      countsFromMs: matureMs(cohortOf(folded, exposedMs), metric),
    };
  });

const capped = ({ cap = Infinity }: FoldMetric, value: number): number => Math.min(cap, value);
