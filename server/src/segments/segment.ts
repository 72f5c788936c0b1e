import { Segment } from '@pennon/schema';

import { accept, lay } from '../definitions/complete.ts';
import type { Noun } from '../definitions/definitions.ts';
import { referencesOf } from '../environments/dependents.ts';
import { requireSoundSegment } from '../definitions/validate.ts';

/** What a segment does of its own in the life that flags and segments share. */
export const segmentNoun: Noun<'segments'> = {
  collection: 'segments',
  word: 'segment',
  complete: (input, kept) => accept(Segment, { ...lay({}, input, CLEARED), ...kept }),
  patched: (current, patch, kept) => accept(Segment, { ...lay(current, patch, CLEARED), ...kept }),
  requireChangeable: () => undefined,
  requireSound: requireSoundSegment,
  usedBy: ({ flagSet }, key) =>
    Object.values(flagSet.flags)
      .filter(flag => referencesOf(flag).segments.includes(key))
      .map(flag => flag.key),
  warnings: () => [],
  stored: ({ records }) => records.segments,
  writes: segments => ({ segments }),
};

const CLEARED = { tags: [] };
