import { Segment, SegmentCreate, SegmentPatch } from '@pennon/schema';

import { segmentResource } from '../segments/segment.ts';
import { mergeRouters } from './procedure.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';
import { versionRouter, versionSchema } from './version-router.ts';

const schemas = resourceSchemas({
  id: 'SegmentResponse',
  document: Segment,
  create: SegmentCreate,
  patch: SegmentPatch,
  filter: {},
  options: { write: {}, copy: {} },
});

export const segments = mergeRouters(
  resourceRouter(segmentResource, schemas),
  versionRouter(segmentResource, {
    response: schemas.response,
    version: versionSchema('SegmentVersion', Segment),
  }),
);
