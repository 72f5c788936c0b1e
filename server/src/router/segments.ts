import {
  Key,
  Segment,
  SegmentCreate,
  SegmentPatch,
  SegmentReplace,
  strictObject,
} from '@pennon/schema';
import { z } from 'zod';

import {
  copyResource,
  createResource,
  deleteResource,
  getResource,
  listResources,
  patchResource,
  replaceResource,
} from '../resources/resource-service.ts';
import { wantedDefinition } from '../resources/search.ts';
import { segmentResource } from '../segments/segment.ts';
import { procedure, router } from './procedure.ts';
import {
  answered,
  copyInput,
  CopyPlan,
  environment,
  ifMatch,
  Nothing,
  page,
  paging,
} from './schemas.ts';

const tags = ['Segments'];
const SegmentAnswer = answered(Segment).meta({ id: 'SegmentAnswer' });

export const segments = router({
  create: procedure({
    permission: 'segments.write',
    status: 201,
    located: 'key',
    openapi: { method: 'POST', path: '/segments', tags, summary: 'Create a segment' },
  })
    .input(strictObject({ ...environment, ...SegmentCreate.shape }))
    .output(SegmentAnswer)
    .mutation(({ ctx, input }) => createResource(segmentResource, ctx.parts, ctx.caller, input)),

  list: procedure({
    permission: 'segments.read',
    openapi: {
      method: 'GET',
      path: '/segments',
      tags,
      summary: 'List segments in the order of their keys',
    },
  })
    .input(
      strictObject({
        ...environment,
        ...paging,
        search: z.string().max(200).optional().describe('Text in the key, name or description.'),
        tag: z.string().max(200).optional(),
      }),
    )
    .output(page(Segment))
    .query(({ ctx, input }) =>
      listResources(segmentResource, ctx.parts, ctx.caller, input, wantedDefinition(input)),
    ),

  get: procedure({
    permission: 'segments.read',
    openapi: { method: 'GET', path: '/segments/{key}', tags, summary: 'Read a segment' },
  })
    .input(strictObject({ ...environment, key: Key }))
    .output(SegmentAnswer)
    .query(({ ctx, input }) => getResource(segmentResource, ctx.parts, ctx.caller, input)),

  replace: procedure({
    permission: 'segments.write',
    openapi: { method: 'PUT', path: '/segments/{key}', tags, summary: 'Replace a segment' },
  })
    .input(strictObject({ ...environment, ...ifMatch, ...SegmentReplace.shape }))
    .output(SegmentAnswer)
    .mutation(({ ctx, input }) => replaceResource(segmentResource, ctx.parts, ctx.caller, input)),

  update: procedure({
    permission: 'segments.write',
    openapi: {
      method: 'PATCH',
      path: '/segments/{key}',
      tags,
      summary: 'Change part of a segment',
    },
  })
    .input(strictObject({ ...environment, ...ifMatch, ...SegmentPatch.shape }))
    .output(SegmentAnswer)
    .mutation(({ ctx, input }) => patchResource(segmentResource, ctx.parts, ctx.caller, input)),

  delete: procedure({
    permission: 'segments.write',
    status: 204,
    openapi: {
      method: 'DELETE',
      path: '/segments/{key}',
      tags,
      summary: 'Delete a segment that no flag uses',
    },
  })
    .input(strictObject({ ...environment, ...ifMatch, key: Key }))
    .output(Nothing)
    .mutation(({ ctx, input }) => deleteResource(segmentResource, ctx.parts, ctx.caller, input)),

  copy: procedure({
    permission: 'segments.write',
    openapi: {
      method: 'POST',
      path: '/segments/{key}/copy',
      tags,
      summary: 'Copy a segment into another environment',
    },
  })
    .input(strictObject(copyInput))
    .output(z.union([SegmentAnswer, CopyPlan]))
    .mutation(({ ctx, input }) => copyResource(segmentResource, ctx.parts, ctx.caller, input)),
});
