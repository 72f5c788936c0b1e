import { Key, Segment, SegmentCreate, SegmentPatch, strictObject } from '@pennon/schema';

import { updateSegmentMembers } from '../resources/members.ts';
import { segmentResource } from '../segments/segment.ts';
import { inSlices } from './output.ts';
import { mergeRouters, procedure, router } from './procedure.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';
import { environment, ifMatch, memberChange, requireMembers } from './schemas.ts';
import { versionRouter, versionSchema } from './version-router.ts';

const schemas = resourceSchemas({
  id: 'SegmentResponse',
  document: Segment,
  create: SegmentCreate,
  patch: SegmentPatch,
  filter: {},
  options: { write: {}, copy: {} },
});

const updateMembers = procedure({
  permission: 'segments.write',
  rest: {
    method: 'POST',
    path: '/segments/{key}/members',
    tag: 'Segments',
    summary: 'Add members to the list of a segment, and remove members from it',
  },
})
  .input(
    strictObject({ ...environment, ...ifMatch, key: Key, ...memberChange }).superRefine(
      requireMembers,
    ),
  )
  .output(inSlices(schemas.response))
  .mutation(({ ctx: { services, caller }, input }) =>
    updateSegmentMembers({ ...services, type: segmentResource }, caller, input),
  );

export const segments = mergeRouters(
  resourceRouter(segmentResource, schemas),
  versionRouter(segmentResource, {
    response: schemas.response,
    version: versionSchema('SegmentVersion', Segment),
  }),
  router({ updateMembers }),
);
