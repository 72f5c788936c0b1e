import { expandRules, expandShortForm, references } from '@pennon/engine';
import { Flag, isJsonObject, type FlagPatch } from '@pennon/schema';

import { invalid } from '../errors.ts';
import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import type { ResourceType, ServerFields } from '../resources/resource-type.ts';
import { validateFlag } from '../resources/validate.ts';
import { requireEffect } from './effect.ts';
import { flagWarningSteps } from './warnings.ts';

export const flagResource: ResourceType<'flags'> = {
  collection: 'flags',
  kind: 'flag',
  parse: (input, serverFields) =>
    parseOrThrow(Flag, withServerFields(expandShortForm(input), serverFields)),
  merge: (current, patch, serverFields) =>
    parseOrThrow(Flag, {
      ...mergePatch(current, withFullRules(patch), clearedValues(current.key)),
      ...serverFields,
    }),
  async validate(base, flag, current) {
    if (current !== null) requireSameType(flag, current);
    await validateFlag(base, flag);
  },
  requireEffect,
  copyOf: (flag, current, enabled) => ({
    ...flag,
    enabled: enabled ?? current?.enabled ?? false,
  }),
  usedBy: ({ flagSet }, key) => ({
    flag: [...flagSet.flags.values()]
      .filter(flag => references(flag).flags.includes(key))
      .map(flag => flag.key),
  }),
  warnings: flagWarningSteps,
  writes: flags => ({ flags }),
  versions: flags => ({ flags }),
};

/** Expanding the short form of an object returns an object. */
const withServerFields = (expanded: unknown, serverFields: ServerFields): object =>
  isJsonObject(expanded) ? { ...expanded, ...serverFields } : serverFields;

const withFullRules = (patch: object): object =>
  'rules' in patch && patch.rules != null ? { ...patch, rules: expandRules(patch.rules) } : patch;

/** Fields that a patch may set to null, but that every flag has. */
type Clearable = {
  [Field in keyof Flag & keyof FlagPatch]: null extends FlagPatch[Field]
    ? undefined extends Flag[Field]
      ? never
      : Field
    : never;
}[keyof Flag & keyof FlagPatch];

/** What null sets a field to in a patch; fields that are not listed are removed. */
const clearedValues = (key: string) =>
  ({
    defaultVariant: null,
    rules: [],
    seed: key,
    clientVisible: false,
    metadata: {},
    tags: [],
  }) satisfies Pick<Flag, Clearable | 'tags'>;

/** Throws BAD_REQUEST if the flag has another type than before. */
export const requireSameType = ({ key, type }: Flag, current: Flag): void => {
  if (current.type === type) return;
  const message = `is "${current.type}" and cannot become "${type}", because applications read it as "${current.type}"; create another flag`;
  throw invalid([{ path: 'type', message }], `flag "${key}"`);
};
