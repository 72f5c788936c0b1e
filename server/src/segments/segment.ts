import { references } from '@pennon/engine';
import { Segment, type ErrorDetail } from '@pennon/schema';

import { usageAsOtherType } from '../flag-set/attribute-types.ts';
import type { IndexedFlagSet } from '../flag-set/documents.ts';
import { conditionWarningSteps, emptyListWarnings } from '../resources/condition-warnings.ts';
import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import type { ResourceType } from '../resources/resource-type.ts';
import { validateSegment } from '../resources/validate.ts';
import type { Steps } from '../slices.ts';

function* segmentWarningSteps(
  { key, conditions }: Segment,
  _elsewhere: ReadonlyMap<string, Segment>,
  flagSet: IndexedFlagSet | undefined,
): Steps<readonly ErrorDetail[]> {
  return [
    ...emptyListWarnings(conditions, 'conditions'),
    ...(yield* conditionWarningSteps(
      conditions,
      'conditions',
      ({ condition }, type) =>
        flagSet && usageAsOtherType(flagSet, `segment "${key}"`, condition, type),
    )),
  ];
}

export const segmentResource: ResourceType<'segments'> = {
  collection: 'segments',
  kind: 'segment',
  parse: (input, serverFields) =>
    parseOrThrow(Segment, { ...mergePatch({}, input, CLEARED_VALUES), ...serverFields }),
  merge: (current, patch, serverFields) =>
    parseOrThrow(Segment, { ...mergePatch(current, patch, CLEARED_VALUES), ...serverFields }),
  validate: validateSegment,
  requireEffect: () => undefined,
  copyOf: segment => segment,
  usedBy: ({ flagSet }, key) => ({
    flag: [...flagSet.flags.values()]
      .filter(flag => references(flag).segments.includes(key))
      .map(flag => flag.key),
  }),
  warnings: segmentWarningSteps,
  writes: segments => ({ segments }),
  versions: segments => ({ segments }),
};

/** What null sets a field to in a patch; fields that are not listed are removed. */
const CLEARED_VALUES = { tags: [] };
