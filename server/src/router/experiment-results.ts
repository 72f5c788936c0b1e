import {
  checkPlan,
  ExternalStatistics,
  Instant,
  Key,
  PlanCreate,
  PlanResult,
  Results,
  ResultsHealth,
  ResultsMoments,
  ResultsSeries,
  strictObject,
  UnitInRun,
  UnitLookup,
} from '@pennon/schema';
import { z } from 'zod';

import { putStatistics } from '../experiments/external.ts';
import { followResults } from '../experiments/follow-results.ts';
import { readMoments } from '../experiments/read-moments.ts';
import { planSize } from '../experiments/plan-size.ts';
import { readResults } from '../experiments/results.ts';
import { readHealth, readSeries } from '../experiments/series.ts';
import { readUnit } from '../experiments/unit.ts';
import { inSlices } from './output.ts';
import { procedure, router } from './procedure.ts';
import { environment } from './schemas.ts';
import { trackResults } from './tracked.ts';

const tag = 'Experiments';
const target = { ...environment, key: Key };

const withTime = (description: string) =>
  strictObject({ ...target, at: Instant.optional().describe(description) });

const ResultsResponse = strictObject({ ...Results.shape, etag: z.string() }).meta({
  id: 'ResultsResponse',
});
const SeriesResponse = strictObject({ ...ResultsSeries.shape, etag: z.string() }).meta({
  id: 'ResultsSeriesResponse',
});

const PlanInput = strictObject({ ...environment, ...PlanCreate.shape }).superRefine(checkPlan);

const read = (name: string, summary: string) =>
  procedure({
    permission: 'experiments.read',
    rest: { method: 'GET', path: `/experiments/{key}/${name}`, tag, summary },
  });

/** The results of experiments. */
export const experimentResults = router({
  getResults: read('results', 'Read the results of the current run of an experiment')
    .input(withTime('An earlier time, as of which results are computed.'))
    .output(inSlices(ResultsResponse))
    .query(({ ctx, input }) => readResults(ctx.services, ctx.caller, input)),

  getSeries: read('series', 'Read the intervals of the current run over time')
    .input(strictObject(target))
    .output(inSlices(SeriesResponse))
    .query(({ ctx, input }) => readSeries(ctx.services, ctx.caller, input)),

  getHealth: read('health', 'Read what happened to the events of the current run')
    .input(strictObject(target))
    .output(ResultsHealth)
    .query(({ ctx, input }) => readHealth(ctx.services, ctx.caller, input)),

  unit: procedure({
    permission: 'events.read',
    rest: {
      method: 'POST',
      path: '/experiments/{key}/unit',
      tag,
      summary: 'Look up one unit in the current run of an experiment',
    },
  })
    .input(strictObject({ ...target, ...UnitLookup.shape }))
    .output(UnitInRun)
    .mutation(({ ctx, input }) => readUnit(ctx.services, ctx.caller, input)),

  getMoments: read('moments', 'Read the counts and sums of the current run')
    .input(withTime('An earlier time, as of which windows are over.'))
    .output(inSlices(ResultsMoments))
    .query(({ ctx, input }) => readMoments(ctx.services, ctx.caller, input)),

  putStatistics: procedure({
    permission: 'experiments.write',
    rest: {
      method: 'POST',
      path: '/experiments/{key}/statistics',
      tag,
      summary: 'Store moments that were computed elsewhere, and read their results',
      description: 'Only of an experiment with the source "external".',
    },
  })
    .input(strictObject({ ...target, ...ExternalStatistics.shape }))
    .output(inSlices(ResultsResponse))
    .mutation(({ ctx, input }) => putStatistics(ctx.services, ctx.caller, input)),

  plan: procedure({
    permission: 'experiments.read',
    rest: {
      method: 'POST',
      path: '/plan',
      tag,
      summary: 'Compute the units, the effect or the days of an experiment',
      example: { kind: 'conversion', baseline: 0.1, effect: 0.05, unitsPerDay: 8_000 },
    },
  })
    .input(PlanInput)
    .output(PlanResult)
    .mutation(({ ctx, input }) => planSize(ctx.services, ctx.caller, input)),

  results: procedure({ permission: 'experiments.read' })
    .input(strictObject({ ...target, lastEventId: z.string().max(200).nullish() }))
    .subscription(({ ctx, input, signal }) =>
      trackResults(followResults(ctx.services, ctx.caller, input, signal)),
    ),
});
