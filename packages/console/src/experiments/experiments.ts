import type { ApiInputs, ApiOutputs } from '@pennon/client';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { readAll } from '../api/pages.ts';

export type Experiment = ApiOutputs['experiments']['list']['items'][number];
export type ExperimentResponse = ApiOutputs['experiments']['get'];
export type ExperimentCreate = ApiInputs['experiments']['create'];
export type ExperimentMetric = Experiment['metrics'][number];
export type ExperimentState = Experiment['state'];
export type Results = ApiOutputs['experiments']['getResults'];
export type ResultsSeries = ApiOutputs['experiments']['getSeries'];
export type ResultsHealth = ApiOutputs['experiments']['getHealth'];
export type UnitInRun = ApiOutputs['experiments']['unit'];
export type PlanCreate = ApiInputs['experiments']['plan'];
export type PlanResult = ApiOutputs['experiments']['plan'];
export type Metric = ApiOutputs['metrics']['list']['items'][number];
export type MetricCreate = ApiInputs['metrics']['create'];

/** What queries of the pages of experiments begin with. */
export const EXPERIMENTS_KEY = ['experiments'] as const;

export const experimentListOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['experiments', 'list', environment] as const,
    queryFn: () => readAll(page => procedures.experiments.list.query({ environment, ...page })),
  });

export const experimentOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['experiments', 'get', environment, key] as const,
    queryFn: () => procedures.experiments.get.query({ environment, key }),
  });

/** Events are folded as often. */
const REFRESH_MS = 15_000;
/** Intervals over time change slowly, and are costly. */
const SERIES_REFRESH_MS = 60_000;

/** What is known of the current run. */
export const resultsOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['experiments', 'results', environment, key] as const,
    queryFn: () => procedures.experiments.getResults.query({ environment, key }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });

export const seriesOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['experiments', 'series', environment, key] as const,
    queryFn: () => procedures.experiments.getSeries.query({ environment, key }),
    placeholderData: keepPreviousData,
    refetchInterval: SERIES_REFRESH_MS,
  });

export const healthOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['experiments', 'health', environment, key] as const,
    queryFn: () => procedures.experiments.getHealth.query({ environment, key }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });

export const metricListOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['experiments', 'metrics', environment] as const,
    queryFn: () => readAll(page => procedures.metrics.list.query({ environment, ...page })),
  });

export const METRIC_KINDS = ['conversion', 'count', 'sum', 'ratio'] as const;
export const DIRECTIONS = ['increase', 'decrease'] as const;
export const ROLES = ['primary', 'secondary', 'guardrail'] as const;
export const ON_HARM = ['pause', 'rollback', 'warn'] as const;
export const METHODS = ['sequential', 'fixed', 'bayesian'] as const;

export type MetricKind = (typeof METRIC_KINDS)[number];
export type MetricRole = (typeof ROLES)[number];
