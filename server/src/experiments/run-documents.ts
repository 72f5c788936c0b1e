import type { Experiment } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { workflowLedger } from '../flag-set/registry.ts';
import type { Ledger, RunDocument, Snapshot, Store } from '../store/store.ts';

/** An experiment with a run, in the flag set that it is part of. */
export type StartedRun = {
  readonly live: LiveFlagSet;
  readonly experiment: Experiment;
  readonly run: NonNullable<Experiment['run']>;
};

/**
 * What is kept of a run is in the ledger beside the flag set, so that no application receives anything when results are
 * written.
 */
const ledgerOf = ({ live }: StartedRun): Ledger<'workflow'> =>
  workflowLedger({ ledger: live.replica.ledger.id });

/** Returns what is kept of a run. Nothing is before the first look. */
export const readRun = async (
  { store }: { readonly store: Store },
  started: StartedRun,
): Promise<RunDocument> => {
  const found = await store.get(ledgerOf(started), 'results', started.run.id);
  return found?.document ?? newDocument(started);
};

const newDocument = ({ experiment, run }: StartedRun): RunDocument => ({
  run: run.id,
  experiment: experiment.key,
  startedAt: run.startedAt,
  decided: [],
});

const MAX_ATTEMPTS = 20;

/** Changes what is kept of a run. Changes it again if another server was faster. Returns what is kept then. */
export const changeRunDocument = async (
  { store }: { readonly store: Store },
  started: StartedRun,
  change: (current: RunDocument) => RunDocument,
): Promise<RunDocument> => {
  const ledger = ledgerOf(started);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const found = await store.read(ledger);
    const current = found?.records.results.get(started.run.id)?.document;
    const next = change(current ?? newDocument(started));
    if (next === current) return next;
    const writes = new Map<string, RunDocument | null>([[started.run.id, next]]);
    if (current === undefined) for (const run of surplusRuns(started, found)) writes.set(run, null);
    const expect = found?.id ?? 'none';
    const commit = { expect, writes: { results: writes }, audit: [] } as const;
    if ((await store.commit(ledger, commit)).committed) return next;
  }
  throw new PennonError(
    'SERVICE_UNAVAILABLE',
    'nothing was written: too many concurrent changes; try again',
    { retryAfterSeconds: 1 },
  );
};

/** Runs of an experiment that are kept. */
const RUNS_PER_EXPERIMENT = 10;

/** Returns the runs of deleted experiments, and the oldest ones of this experiment. */
const surplusRuns = (
  { live, experiment }: StartedRun,
  snapshot: Snapshot<'workflow'> | undefined,
): string[] => {
  const { experiments } = live.replica.current().records;
  const all = [...(snapshot?.records.results.values() ?? [])].map(({ document }) => document);
  const own = all
    .filter(document => document.experiment === experiment.key)
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  return [
    ...all.filter(document => !experiments.has(document.experiment)),
    ...own.slice(RUNS_PER_EXPERIMENT - 1),
  ].map(({ run }) => run);
};
