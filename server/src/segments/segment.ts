import { Segment } from '@pennon/schema';

import { accept, lay } from '../resources/parse.ts';
import type { ResourceType } from '../resources/resource-service.ts';
import { referencesOf } from '../flag-set/dependents.ts';
import { validateSegment } from '../resources/validate.ts';

/** What a segment does of its own in the life that flags and segments share. */
export const segmentResource: ResourceType<'segments'> = {
  collection: 'segments',
  word: 'segment',
  complete: (input, kept) => accept(Segment, { ...lay({}, input, CLEARED), ...kept }),
  patched: (current, patch, kept) => accept(Segment, { ...lay(current, patch, CLEARED), ...kept }),
  requireChangeable: () => undefined,
  requireSound: validateSegment,
  usedBy: ({ flagSet }, key) =>
    Object.values(flagSet.flags)
      .filter(flag => referencesOf(flag).segments.includes(key))
      .map(flag => flag.key),
  warnings: () => [],
  stored: ({ records }) => records.segments,
  writes: segments => ({ segments }),
};

const CLEARED = { tags: [] };
