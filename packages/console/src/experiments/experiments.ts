import type { ApiInputs, ApiOutputs } from '@pennon/client';
import { queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { readAll } from '../api/pages.ts';

export type Experiment = ApiOutputs['experiments']['list']['items'][number];
export type ExperimentResponse = ApiOutputs['experiments']['get'];
export type ExperimentCreate = ApiInputs['experiments']['create'];
export type ExperimentMetric = Experiment['metrics'][number];
export type ExperimentState = Experiment['state'];
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
