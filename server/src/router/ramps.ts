import {
  Key,
  Ramp,
  RampCreate,
  RampPatch,
  RampState,
  RampStatus,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import {
  advanceRamp,
  approveRamp,
  pauseRamp,
  resumeRamp,
  rollBackRamp,
  startRamp,
} from '../ramps/actions.ts';
import { followRamp } from '../ramps/follow.ts';
import { rampResource } from '../ramps/ramp.ts';
import { readRampStatus } from '../ramps/status.ts';
import { inSlices } from './output.ts';
import { mergeRouters, procedure, router } from './procedure.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';
import { environment, ifMatch } from './schemas.ts';
import { trackRamp } from './tracked.ts';

const schemas = resourceSchemas({
  id: 'RampResponse',
  document: Ramp,
  create: RampCreate,
  patch: RampPatch,
  filter: { state: RampState.optional(), flag: Key.optional() },
  options: { write: {}, copy: {} },
});

const target = strictObject({ ...environment, ...ifMatch, key: Key });

const action = (name: string, summary: string) =>
  procedure({
    permission: 'ramps.write',
    rest: { method: 'POST', path: `/ramps/{key}/${name}`, tag: 'Experiments', summary },
  })
    .input(target)
    .output(inSlices(schemas.response));

const actions = router({
  start: action('start', 'Begin the first step of a ramp').mutation(({ ctx, input }) =>
    startRamp(ctx.services, ctx.caller, input),
  ),
  pause: action('pause', 'Stay at the current step of a ramp').mutation(({ ctx, input }) =>
    pauseRamp(ctx.services, ctx.caller, input),
  ),
  resume: action('resume', 'Begin the current step of a paused ramp again').mutation(
    ({ ctx, input }) => resumeRamp(ctx.services, ctx.caller, input),
  ),
  advance: action('advance', 'Begin the next step of a ramp at once').mutation(({ ctx, input }) =>
    advanceRamp(ctx.services, ctx.caller, input),
  ),
  approve: action('approve', 'Approve the end of the current step of a ramp').mutation(
    ({ ctx, input }) => approveRamp(ctx.services, ctx.caller, input),
  ),
  rollback: action('rollback', 'Write the rule of a ramp back as it was').mutation(
    ({ ctx, input }) => rollBackRamp(ctx.services, ctx.caller, input),
  ),
});

const status = router({
  status: procedure({
    permission: 'experiments.read',
    rest: {
      method: 'GET',
      path: '/ramps/{key}/status',
      tag: 'Experiments',
      summary: 'Read how a ramp is doing, and what its next step waits for',
    },
  })
    .input(strictObject({ ...environment, key: Key }))
    .output(RampStatus)
    .query(({ ctx, input }) => readRampStatus(ctx.services, ctx.caller, input)),

  watch: procedure({ permission: 'experiments.read' })
    .input(strictObject({ ...environment, key: Key, lastEventId: z.string().max(200).nullish() }))
    .subscription(({ ctx, input, signal }) =>
      trackRamp(followRamp(ctx.services, ctx.caller, input, signal)),
    ),
});

export const ramps = mergeRouters(resourceRouter(rampResource, schemas), actions, status);
