import { Segment, SegmentCreate, SegmentPatch } from '@pennon/schema';

import { segmentResource } from '../segments/segment.ts';
import { resourceRouter, resourceSchemas } from './resource-router.ts';

export const segments = resourceRouter(
  segmentResource,
  resourceSchemas({
    id: 'SegmentResponse',
    document: Segment,
    create: SegmentCreate,
    patch: SegmentPatch,
    filter: {},
  }),
);
