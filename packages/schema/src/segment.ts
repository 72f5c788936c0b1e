import type { z } from 'zod';

import { SegmentConditions } from './condition.ts';
import {
  descriptiveFields,
  descriptiveInputs,
  readOnlyFields,
  requires,
  serverManagedFields,
} from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { fits, Key } from './text.ts';

/** Fields that an engine reads to evaluate a segment. */
const evaluatedFields = { key: Key, conditions: SegmentConditions };

/** Named, shared conditions that must all hold, as managed and stored; at most 512 KiB. */
export const Segment = strictObject({
  ...evaluatedFields,
  ...descriptiveFields,
  ...serverManagedFields,
})
  .refine(...fits(LIMITS.segmentBytes))
  .meta({ id: 'Segment' });
export type Segment = z.infer<typeof Segment>;

/** A segment in a flag set: the fields that an engine needs, without descriptive fields. */
export const EvaluationSegment = strictObject({
  ...evaluatedFields,
  version: serverManagedFields.version,
  requires,
}).meta({ id: 'EvaluationSegment' });
export type EvaluationSegment = z.infer<typeof EvaluationSegment>;

/** Projects a segment, field by field: a new field stays on the server unless it is added here. */
export const toEvaluationSegment = (segment: Segment): EvaluationSegment =>
  ({
    key: segment.key,
    conditions: segment.conditions,
    version: segment.version,
  }) satisfies Record<Exclude<keyof EvaluationSegment, 'requires'>, unknown>;

/** Field names of a segment by purpose. Written to `packages/spec/fields.json` for all languages. */
export const SEGMENT_FIELDS = {
  evaluated: [...Object.keys(evaluatedFields), 'requires'],
  sent: Object.keys(EvaluationSegment.shape),
  descriptive: Object.keys(descriptiveFields),
  serverManaged: Object.keys(serverManagedFields),
};

/** The body of a request that creates a segment. */
export const SegmentCreate = strictObject({
  key: Key,
  conditions: SegmentConditions,
  ...descriptiveInputs,
  ...readOnlyFields,
}).refine(...fits(LIMITS.segmentBytes));
export type SegmentCreate = z.infer<typeof SegmentCreate>;

/** The body of a request that replaces the segment with this key. */
export const SegmentReplace = SegmentCreate;
export type SegmentReplace = z.infer<typeof SegmentReplace>;

/** A merge patch of a segment: absent fields stay unchanged, null removes a value. */
export const SegmentPatch = strictObject({
  key: Key,
  conditions: SegmentConditions.optional(),
  ...descriptiveInputs,
}).refine(...fits(LIMITS.segmentBytes));
export type SegmentPatch = z.infer<typeof SegmentPatch>;
