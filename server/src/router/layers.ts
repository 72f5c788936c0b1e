import { Key, Layer, LayerCreate, LayerPatch, strictObject } from '@pennon/schema';
import { z } from 'zod';

import { layerResource } from '../experiments/layers/layer.ts';
import {
  claimSlots,
  createLayer,
  deleteLayer,
  releaseSlots,
  replaceLayer,
} from '../experiments/layers/write.ts';
import { createResourceService } from '../resources/resource-service.ts';
import { inSlices } from './output.ts';
import { procedure, router, type RestMeta } from './procedure.ts';
import { resourceSchemas } from './resource-router.ts';
import { environment, ifMatch, Nothing, restParams } from './schemas.ts';

const schemas = resourceSchemas({
  id: 'LayerResponse',
  document: Layer,
  create: LayerCreate,
  patch: LayerPatch,
  filter: {},
  options: { write: {}, copy: {} },
});

const tag = 'Experiments';
const response = inSlices(schemas.response);
const read = (rest: Omit<RestMeta, 'tag'>) =>
  procedure({ permission: 'experiments.read', rest: { ...rest, tag } });
const write = (rest: Omit<RestMeta, 'tag'>) =>
  procedure({ permission: 'experiments.write', rest: { ...rest, tag } });

const target = { ...environment, ...ifMatch, key: Key };
const MOST_SLOTS = 20;

/** Layers, whose experiments exclude each other. A layer cannot be copied: its units are those of its environment. */
export const layers = router({
  create: write({
    method: 'POST',
    status: 201,
    path: '/layers',
    summary: 'Create a layer, with a flag whose variants are its slots',
  })
    .input(schemas.create)
    .output(response)
    .mutation(({ ctx, input }) => createLayer(ctx.services, ctx.caller, input)),

  list: read({ method: 'GET', path: '/layers', summary: 'List layers in the order of their keys' })
    .input(schemas.list)
    .output(inSlices(schemas.page))
    .query(({ ctx, input }) =>
      createResourceService(layerResource, ctx.services).list(ctx.caller, input),
    ),

  get: read({ method: 'GET', path: '/layers/{key}', summary: 'Read a layer' })
    .input(strictObject({ ...environment, key: Key }))
    .output(response)
    .query(({ ctx, input }) =>
      createResourceService(layerResource, ctx.services).get(ctx.caller, input),
    ),

  replace: write({
    method: 'PUT',
    path: '/layers/{key}',
    summary: 'Replace the descriptive fields of a layer, or create it',
    createsIfAbsent: true,
  })
    .input(schemas.replace)
    .output(response)
    .mutation(async ({ ctx, input }) => {
      const { document, created } = await replaceLayer(ctx.services, ctx.caller, input);
      if (created) ctx.onCreated?.();
      return document;
    }),

  update: write({
    method: 'PATCH',
    path: '/layers/{key}',
    summary: 'Change descriptive fields of a layer',
  })
    .input(schemas.update)
    .output(response)
    .mutation(({ ctx, input }) =>
      createResourceService(layerResource, ctx.services).update(ctx.caller, input),
    ),

  delete: write({
    method: 'DELETE',
    path: '/layers/{key}',
    summary: 'Delete a layer that no experiment has slots of, and its flag',
  })
    .input(strictObject(target))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteLayer(ctx.services, ctx.caller, input)),

  claim: write({
    method: 'POST',
    path: '/layers/{key}/claims',
    summary: 'Give slots of a layer to an experiment that does not run',
  })
    .input(
      strictObject({
        ...target,
        experiment: Key,
        slots: z
          .int()
          .min(1, `must be 1 to ${MOST_SLOTS}`)
          .max(MOST_SLOTS, `must be 1 to ${MOST_SLOTS}`)
          .optional()
          .describe('How many of the 20 slots. Absent for a holdout.'),
        force: z.boolean().optional().describe('Also take slots that are kept back for 7 days.'),
      }),
    )
    .output(response)
    .mutation(({ ctx, input }) => claimSlots(ctx.services, ctx.caller, input)),

  release: write({
    method: 'DELETE',
    path: '/layers/{key}/claims/{experiment}',
    summary: 'Take the slots of a layer from an experiment that does not run',
  })
    .input(
      strictObject({
        ...target,
        experiment: Key,
        force: z
          .boolean()
          .optional()
          .describe('Free the slots at once, and not after 7 days.')
          .register(restParams, { in: 'query' }),
      }),
    )
    .output(response)
    .mutation(({ ctx, input }) => releaseSlots(ctx.services, ctx.caller, input)),
});
