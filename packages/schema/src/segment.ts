import { z } from 'zod';

import { SegmentMember } from './condition.ts';
import { describedByPeople, keptByServer, writtenBack } from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './object.ts';
import { Key } from './text.ts';

const conditions = z
  .array(SegmentMember)
  .min(1, 'must hold at least one condition')
  .max(LIMITS.conditionsPerRule, `must hold at most ${LIMITS.conditionsPerRule} conditions`);

/** Named, shared conditions. All must hold. */
export const Segment = strictObject({
  key: Key,
  conditions,
  ...describedByPeople,
  ...keptByServer,
}).meta({ id: 'Segment' });
export type Segment = z.infer<typeof Segment>;

export const SegmentCreate = strictObject({
  key: Key,
  conditions,
  ...describedByPeople,
  ...writtenBack,
});
export type SegmentCreate = z.infer<typeof SegmentCreate>;

export const SegmentReplace = SegmentCreate;
export type SegmentReplace = z.infer<typeof SegmentReplace>;

export const SegmentPatch = strictObject({
  key: Key,
  conditions: conditions.optional(),
  ...describedByPeople,
});
export type SegmentPatch = z.infer<typeof SegmentPatch>;
