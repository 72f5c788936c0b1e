import { references } from '@pennon/engine';
import { Segment } from '@pennon/schema';

import { usageAsOtherType } from '../flag-set/attribute-types.ts';
import { conditionWarnings, emptyListWarnings } from '../resources/condition-warnings.ts';
import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import type { ResourceType } from '../resources/resource-type.ts';
import { validateSegment } from '../resources/validate.ts';

const segmentWarnings: ResourceType<'segments'>['warnings'] = (
  { key, conditions },
  _elsewhere,
  flagSet,
) => [
  ...emptyListWarnings(conditions, 'conditions'),
  ...conditionWarnings(
    conditions,
    'conditions',
    ({ condition }, type) =>
      flagSet && usageAsOtherType(flagSet, `segment "${key}"`, condition, type),
  ),
];

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
  usedBy: ({ flagSet }, key) =>
    [...flagSet.flags.values()]
      .filter(flag => references(flag).segments.includes(key))
      .map(flag => flag.key),
  warnings: segmentWarnings,
  writes: segments => ({ segments }),
  versions: segments => ({ segments }),
};

/** What null sets a field to in a patch; fields that are not listed are removed. */
const CLEARED_VALUES = { tags: [] };
