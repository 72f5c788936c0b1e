import { fillIn } from '@pennon/engine';
import { Flag, isJsonObject } from '@pennon/schema';

import { accept, lay } from '../definitions/complete.ts';
import type { Kept, Noun } from '../definitions/definitions.ts';
import { referencesOf } from '../environments/dependents.ts';
import { requireSoundFlag } from '../definitions/validate.ts';
import { invalid } from '../errors.ts';
import { flagWarnings } from './warnings.ts';

/** What a flag does of its own in the life that flags and segments share. */
export const flagNoun: Noun<'flags'> = {
  collection: 'flags',
  word: 'flag',
  complete: (input, kept) => accept(Flag, withKept(fillIn(input), kept)),
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
  requireSound: requireSoundFlag,
  usedBy: ({ flagSet }, key) =>
    Object.values(flagSet.flags)
      .filter(flag => referencesOf(flag).flags.includes(key))
      .map(flag => flag.key),
  warnings: flagWarnings,
  stored: ({ records }) => records.flags,
  writes: flags => ({ flags }),
};

/** An input that is filled in stays an object. */
const withKept = (filled: unknown, kept: Kept): object =>
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
