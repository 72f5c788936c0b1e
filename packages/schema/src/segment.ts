import type { z } from 'zod';

import { SegmentConditions } from './condition.ts';
import { descriptiveFields, serverManagedFields, readOnlyFields } from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { fits, Key } from './text.ts';

/** Named, shared conditions, of which all must hold: as stored, at most 512 KiB. */
export const Segment = strictObject({
  key: Key,
  conditions: SegmentConditions,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .refine(...fits(LIMITS.segmentBytes))
  .meta({ id: 'Segment' });
export type Segment = z.infer<typeof Segment>;

/** A segment as people write it on creation. */
export const SegmentCreate = strictObject({
  key: Key,
  conditions: SegmentConditions,
  ...descriptiveFields,
  ...readOnlyFields,
}).refine(...fits(LIMITS.segmentBytes));
export type SegmentCreate = z.infer<typeof SegmentCreate>;

/** A segment's replacement: as on creation, and the key says which. */
export const SegmentReplace = SegmentCreate;
export type SegmentReplace = z.infer<typeof SegmentReplace>;

/** Part of a segment: what is absent is kept, null clears. */
export const SegmentPatch = strictObject({
  key: Key,
  conditions: SegmentConditions.optional(),
  ...descriptiveFields,
}).refine(...fits(LIMITS.segmentBytes));
export type SegmentPatch = z.infer<typeof SegmentPatch>;
