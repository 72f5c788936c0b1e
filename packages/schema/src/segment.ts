import type { z } from 'zod';

import { SegmentConditions } from './condition.ts';
import { descriptiveFields, readOnlyFields, requires, serverManagedFields } from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { fits, Key } from './text.ts';

/** Fields that an engine decides by. */
const decidingFields = { key: Key, conditions: SegmentConditions };

/** Named, shared conditions that must all hold, as managed and stored: at most 512 KiB. */
export const Segment = strictObject({
  ...decidingFields,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .refine(...fits(LIMITS.segmentBytes))
  .meta({ id: 'Segment' });
export type Segment = z.infer<typeof Segment>;

/** A segment as it travels in a flag set: what an engine needs, and nothing that only people read. */
export const EvaluationSegment = strictObject({
  ...decidingFields,
  version: serverManagedFields.version,
  requires,
}).meta({ id: 'EvaluationSegment' });
export type EvaluationSegment = z.infer<typeof EvaluationSegment>;

/** Returns the part of a segment that travels. */
export const toEvaluationSegment = (segment: Segment): EvaluationSegment =>
  ({
    key: segment.key,
    conditions: segment.conditions,
    version: segment.version,
  }) satisfies Record<Exclude<keyof EvaluationSegment, 'requires'>, unknown>;

/** Names of the fields of a segment by their purpose. Generated into the contract for all languages. */
export const SEGMENT_FIELDS = {
  deciding: [...Object.keys(decidingFields), 'requires'],
  travelling: Object.keys(EvaluationSegment.shape),
  descriptive: Object.keys(descriptiveFields),
  serverManaged: Object.keys(serverManagedFields),
};

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
