import type { Condition } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import {
  attributeConditionsIn,
  comparedType,
  type ComparedType,
} from '../flag-set/attribute-types.ts';
import type { Contents } from '../flag-set/documents.ts';
import type { Registry } from '../flag-set/registry.ts';
import { runInSlices, type Steps } from '../slices.ts';

/** An attribute that conditions compare, with the types of the values that can pass. */
export type UsedAttribute = {
  name: string;
  types: ComparedType[];
  /** How many conditions compare it. */
  conditions: number;
};

const MAX_ATTRIBUTES = 1_000;

/** Returns the attributes that the flags and segments of an environment compare, the most frequent ones first. */
export const listAttributes = async (
  { registry }: { readonly registry: Registry },
  caller: Caller,
  { environment }: { readonly environment?: string | undefined },
): Promise<{ items: UsedAttribute[] }> => {
  const live = registry.find(environmentOf(caller, environment));
  await live.replica.refresh();
  const used = await runInSlices(usedSteps(live.view().flagSet));
  const items = used.toSorted((a, b) => b.conditions - a.conditions || (a.name < b.name ? -1 : 1));
  return { items: items.slice(0, MAX_ATTRIBUTES) };
};

function* usedSteps({ flags, segments }: Contents): Steps<UsedAttribute[]> {
  const used = new Map<string, UsedAttribute>();
  for (const flag of flags.values()) {
    for (const { conditions } of flag.rules) addAll(used, conditions);
    yield;
  }
  for (const { conditions } of segments.values()) {
    addAll(used, conditions);
    yield;
  }
  return [...used.values()];
}

const addAll = (used: Map<string, UsedAttribute>, conditions: readonly Condition[]): void => {
  for (const { condition } of attributeConditionsIn(conditions, '')) {
    const name = condition.attribute;
    const known = used.get(name) ?? { name, types: [], conditions: 0 };
    const type = comparedType(condition);
    if (type !== undefined && !known.types.includes(type)) known.types.push(type);
    known.conditions += 1;
    used.set(name, known);
  }
};
