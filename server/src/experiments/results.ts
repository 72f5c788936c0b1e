import type { Experiment, Results } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant, type Clock } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import type { MomentsSource, RunRef, RunSums } from './moments.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import { entityTag, hashTag } from '../resources/entity-tag.ts';
import { notFound, type WithEtag } from '../resources/read.ts';
import { StoreError, type RunDocument, type Store } from '../store/store.ts';
import {
  analysisInput,
  externalMoments,
  healthOf,
  NO_HEALTH,
  type Look,
} from './analysis-input.ts';
import type { Analyst } from './analysis/analyst.ts';
import type { Decided } from './analysis/input.ts';
import type { Computed } from './analysis/results.ts';
import { experimentResource } from './experiment.ts';
import { changeRunDocument, readRun, type StartedRun } from './run-documents.ts';

export type ResultsServices = {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly analyst: Analyst;
  readonly momentsSource: MomentsSource;
};

export type ResultsKey = {
  readonly environment?: string | undefined;
  readonly key: string;
};

export type ResultsInput = ResultsKey & {
  /** The time of the look; by default now. */
  readonly at?: string | undefined;
};

/** Returns the results of the current run of an experiment. */
export const readResults = async (
  services: ResultsServices,
  caller: Caller,
  { at, ...key }: ResultsInput,
): Promise<WithEtag<Results>> => {
  const started = await findRun(services, caller, key);
  const results =
    at === undefined
      ? await look(services, started)
      : await lookAt(services, started, instantOf(services, started, at));
  return { ...results, etag: entityTag(results.id) };
};

/** Returns the current run of an experiment. Throws NOT_FOUND, or CONFLICT if it was never started. */
export const findRun = async (
  { registry }: Pick<ResultsServices, 'registry'>,
  caller: Caller,
  { environment: requested, key }: ResultsKey,
): Promise<StartedRun> => {
  const environment = environmentOf(caller, requested);
  const live = registry.find(environment);
  // So a change by any server is visible at once.
  await live.replica.refresh();
  const { experiments } = live.replica.current().records;
  const experiment = experiments.get(key)?.document;
  if (experiment === undefined) throw notFound(experimentResource, key, environment, experiments);
  return requireRun(live, experiment);
};

const requireRun = (live: LiveFlagSet, experiment: Experiment): StartedRun => {
  const { run, key } = experiment;
  if (run === undefined)
    throw new PennonError(
      'CONFLICT',
      `experiment "${key}" was never started: start it with POST /api/v1/experiments/${key}/start`,
    );
  return { live, experiment, run };
};

/** Returns a time in the run. Throws if it is not one. */
export const instantOf = ({ clock }: ResultsServices, { run }: StartedRun, at: string): number => {
  const time = Date.parse(at);
  const latest = clock.now();
  if (time >= Date.parse(run.startedAt) && time <= latest) return time;
  throw invalid([
    { path: 'at', message: `must be between the start of the run, ${run.startedAt}, and now` },
  ]);
};

const isOver = ({ state }: Experiment): boolean => state === 'ended' || state === 'stopped';

/** Looks at a run now. What is decided for the first time is kept, and so are the results after the end. */
export const look = async (services: ResultsServices, started: StartedRun): Promise<Results> => {
  const { experiment } = started;
  const recorded = await readRun(services, started);
  const known = finalOf(experiment, recorded);
  if (known !== undefined) return known;
  const final = isOver(experiment) && isComplete(experiment, recorded);
  const results = await compute(services, started, { recorded, at: endedAtOf(started), final });
  const change = (current: RunDocument) => withLook(current, results);
  const next = await changeRunDocument(services, started, change);
  return next.final ?? withId(withDecidedAt(results, next.decided));
};

/** Returns the results that never change again. */
const finalOf = ({ decision, state }: Experiment, recorded: RunDocument): Results | undefined => {
  if (recorded.final !== undefined) return recorded.final;
  const { atDecision } = recorded;
  return decision?.results !== undefined && decision.results === atDecision?.id
    ? { ...atDecision, state, final: true }
    : undefined;
};

/** Whether the data of a run that is over is all there: data from elsewhere may come later. */
const isComplete = ({ source, state, plan }: Experiment, { statistics }: RunDocument): boolean =>
  source === 'events' ||
  state === 'stopped' ||
  (statistics !== undefined && plan != null && Date.parse(statistics.asOf) >= Date.parse(plan.end));

export const endedAtOf = ({ run }: StartedRun): number | undefined =>
  run.endedAt === undefined ? undefined : Date.parse(run.endedAt);

/** Keeps the results of this instant for a decision that follows, and returns their id. */
export const keepAtDecision = async (
  services: ResultsServices,
  caller: Caller,
  key: ResultsKey,
): Promise<string> => {
  const started = await findRun(services, caller, key);
  const results = await look(services, started);
  if (!results.final)
    await changeRunDocument(services, started, current => ({ ...current, atDecision: results }));
  return results.id;
};

/** Keeps the results of a run that has just ended. They are computed at the next look if that fails. */
export const keepFinal = async (
  services: ResultsServices,
  caller: Caller,
  key: ResultsKey,
): Promise<void> => {
  try {
    await look(services, await findRun(services, caller, key));
  } catch (error) {
    if (!(error instanceof PennonError || error instanceof StoreError)) throw error;
  }
};

/** Looks at a run as of an earlier time. Nothing is kept. */
export const lookAt = async (
  services: ResultsServices,
  started: StartedRun,
  at: number,
): Promise<Results> => {
  const recorded = await readRun(services, started);
  const known = finalOf(started.experiment, recorded);
  if (known !== undefined && at >= Date.parse(known.asOf)) return known;
  return withId(await compute(services, started, { recorded, at, final: false }));
};

type LookOptions = {
  readonly recorded: RunDocument;
  readonly at?: number | undefined;
  readonly final: boolean;
};

/** A look is the one at the planned end if it is final, and the run was not stopped before. */
export const compute = async (
  services: ResultsServices,
  started: StartedRun,
  { recorded, at = services.clock.now(), final }: LookOptions,
): Promise<Computed> => {
  const data = await dataOf(services, started, recorded, at);
  const decided = recorded.decided.filter(each => each.at <= at);
  const ended = final && started.experiment.state === 'ended';
  const input = analysisInput(started, { ...data, decided, ended, final });
  return services.analyst.compute('results', input);
};

/** Returns the moments of a run and its health, from its events or from elsewhere. */
export const dataOf = async (
  services: ResultsServices,
  started: StartedRun,
  recorded: RunDocument,
  at: number,
): Promise<Pick<Look, 'moments' | 'health'>> => {
  if (started.experiment.source === 'external')
    return { moments: momentsFromElsewhere(services, started, recorded), health: NO_HEALTH };
  const { moments, health } = await services.momentsSource.data(refOf(started), at);
  return { moments, health: healthOf(health) };
};

/** Returns the moments of a run alone. */
export const momentsOf = async (
  services: ResultsServices,
  started: StartedRun,
  recorded: RunDocument,
  at: number,
): Promise<RunSums> =>
  started.experiment.source === 'external'
    ? momentsFromElsewhere(services, started, recorded)
    : services.momentsSource.moments(refOf(started), at);

const momentsFromElsewhere = (
  { clock }: ResultsServices,
  { run }: StartedRun,
  { statistics }: RunDocument,
) => externalMoments(statistics, run.startedAt, clock.now());

export const refOf = ({ live, run }: StartedRun): RunRef => ({
  ledger: live.replica.ledger,
  run: run.id,
});

/** Results of the same data by the same method have the same id, whenever they are computed. */
const withId = ({ asOf, lagSeconds, ...others }: Computed): Results => {
  const id = hashTag(others).slice(1, -1);
  return { id, ...others, asOf, lagSeconds };
};

/** Returns what a look decides for the first time. */
const firstLooks = (
  { metrics, asOf }: Pick<Results, 'metrics' | 'asOf'>,
  decided: readonly Decided[],
): Decided[] =>
  metrics.flatMap(({ metric, comparisons }) =>
    comparisons
      .filter(({ outcome }) => outcome === 'better' || outcome === 'worse')
      .filter(({ variant }) => !isDecided(decided, metric, variant))
      .map(({ variant }) => ({ metric, variant, at: Date.parse(asOf) })),
  );

const isDecided = (decided: readonly Decided[], metric: string, variant: string): boolean =>
  decided.some(each => each.metric === metric && each.variant === variant);

/** Returns results with the times of first looks that they lack. */
const withDecidedAt = (results: Computed, decided: readonly Decided[]): Computed => ({
  ...results,
  metrics: results.metrics.map(each => ({
    ...each,
    comparisons: each.comparisons.map(comparison => {
      const first = decided.find(
        ({ metric, variant }) => metric === each.metric && variant === comparison.variant,
      );
      return first === undefined
        ? comparison
        : { ...comparison, decidedAt: formatInstant(first.at) };
    }),
  })),
});

/** Returns what is kept after a look; the same object if nothing is new. */
const withLook = (current: RunDocument, results: Computed): RunDocument => {
  if (current.final !== undefined) return current;
  const first = firstLooks(results, current.decided);
  if (first.length === 0 && !results.final) return current;
  const decided = [...current.decided, ...first];
  return {
    ...current,
    decided,
    ...(results.final ? { final: withId(withDecidedAt(results, decided)) } : {}),
  };
};
