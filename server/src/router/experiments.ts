import {
  Experiment,
  ExperimentCreate,
  ExperimentPatch,
  ExperimentState,
  Key,
  Name,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import { decideExperiment } from '../experiments/decide.ts';
import { experimentResource } from '../experiments/experiment.ts';
import { restartExperiment, startExperiment, stopExperiment } from '../experiments/runs.ts';
import { experimentResults } from './experiment-results.ts';
import { inSlices } from './output.ts';
import { mergeRouters, procedure, router } from './procedure.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';
import { environment, ifMatch } from './schemas.ts';

const schemas = resourceSchemas({
  id: 'ExperimentResponse',
  document: Experiment,
  create: ExperimentCreate,
  patch: ExperimentPatch,
  filter: { state: ExperimentState.optional(), flag: Key.optional() },
  options: { write: {}, copy: {} },
});

const target = strictObject({ ...environment, ...ifMatch, key: Key });

const action = (name: string, summary: string) =>
  procedure({
    permission: 'experiments.write',
    rest: { method: 'POST', path: `/experiments/{key}/${name}`, tag: 'Experiments', summary },
  });

const decision = strictObject({
  ...target.shape,
  variant: Name.optional().describe('The variant that the rule serves from now on.'),
  removeRule: z.boolean().optional().describe('Whether the rule is removed in place of that.'),
}).superRefine(({ variant, removeRule = false }, context) => {
  if ((variant === undefined) === removeRule) return;
  const message = 'must be the variant to serve, or absent with "removeRule": true';
  context.addIssue({ code: 'custom', path: ['variant'], message });
});

const runs = router({
  start: action('start', 'Start the first run of an experiment')
    .input(target)
    .output(inSlices(schemas.response))
    .mutation(({ ctx, input }) => startExperiment(ctx.services, ctx.caller, input)),

  stop: action('stop', 'End the run of an experiment at once')
    .input(target)
    .output(inSlices(schemas.response))
    .mutation(({ ctx, input }) => stopExperiment(ctx.services, ctx.caller, input)),

  restart: action('restart', 'Begin another run of an experiment, with no data')
    .input(target)
    .output(inSlices(schemas.response))
    .mutation(({ ctx, input }) => restartExperiment(ctx.services, ctx.caller, input)),

  decide: action('decide', 'End the run, and make the rule serve one variant or remove it')
    .input(decision)
    .output(inSlices(schemas.response))
    .mutation(({ ctx, input }) => decideExperiment(ctx.services, ctx.caller, input)),
});

export const experiments = mergeRouters(
  resourceRouter(experimentResource, schemas),
  runs,
  experimentResults,
);
