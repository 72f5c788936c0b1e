import { expandShortForm } from '@pennon/engine';
import { Flag, isJsonObject } from '@pennon/schema';

import { accept, lay } from '../resources/parse.ts';
import type { ServerFields, ResourceType } from '../resources/resource-service.ts';
import { referencesOf } from '../flag-set/dependents.ts';
import { validateFlag } from '../resources/validate.ts';
import { invalid } from '../errors.ts';
import { flagWarnings } from './warnings.ts';

/** What a flag does of its own in the life that flags and segments share. */
export const flagResource: ResourceType<'flags'> = {
  collection: 'flags',
  word: 'flag',
  complete: (input, kept) => accept(Flag, withKept(expandShortForm(input), kept)),
  patched: (current, patch, kept) =>
    accept(Flag, { ...lay(current, patch, clearedOf(current.key)), ...kept }),
  requireChangeable(before, after) {
    if (before.type === after.type) return;
    throw invalid(
      [
        {
          path: 'type',
          message: `is "${before.type}" and cannot become "${after.type}": applications read it as that; create another flag`,
        },
      ],
      `flag "${before.key}"`,
    );
  },
  requireSound: validateFlag,
  usedBy: ({ flagSet }, key) =>
    Object.values(flagSet.flags)
      .filter(flag => referencesOf(flag).flags.includes(key))
      .map(flag => flag.key),
  warnings: flagWarnings,
  stored: ({ records }) => records.flags,
  writes: flags => ({ flags }),
};

/** An input that is filled in stays an object. */
const withKept = (filled: unknown, kept: ServerFields): object =>
  isJsonObject(filled) ? { ...filled, ...kept } : kept;

/** What a cleared field becomes; a field that is not named here is removed. */
const clearedOf = (key: string) => ({
  defaultVariant: null,
  rules: [],
  seed: key,
  clientVisible: false,
  metadata: {},
  tags: [],
});
