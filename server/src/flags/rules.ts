import type { Flag, Rule, RuleInput } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { invalid, PennonError } from '../errors.ts';
import { changeMembers, type MemberChange } from '../resources/members.ts';
import { mergePatch } from '../resources/parse.ts';
import type { WriteResult } from '../resources/plan.ts';
import type { ResourceContext } from '../resources/resource-type.ts';
import { patchDocument, type ConditionalKey, type UpdateInput } from '../resources/write.ts';

/** The place of a rule in its list: its index, or the id of the rule that it is next to. */
export type RulePosition = number | { readonly before: string } | { readonly after: string };

type RuleWrite = UpdateInput & {
  /** Sets the default variant of the flag in the same write. */
  readonly defaultVariant?: string | null | undefined;
};

type RuleFields = Omit<RuleInput, 'id'> & { readonly position?: RulePosition | undefined };

export type RuleAddition = RuleWrite & RuleFields & Pick<RuleInput, 'id'>;
export type RuleUpdate = RuleWrite & RuleFields & { readonly id: string };
export type RuleDeletion = RuleWrite & { readonly id: string };

type FlagContext = ResourceContext<'flags'>;

/** Adds a rule, at the end unless the input has a position. Throws CONFLICT if its id is taken. */
export const addRule = (
  context: FlagContext,
  caller: Caller,
  input: RuleAddition,
): Promise<WriteResult<Flag>> => {
  const { write, fields } = splitInput(input);
  const { position, ...rule } = fields;
  return writeRules(context, caller, write, ({ rules }) => {
    if (rules.some(({ id }) => id === rule.id)) throw ruleExists(input);
    return insert(rules, rule, position ?? rules.length);
  });
};

/** Changes the given fields of a rule, and moves it if the input has a position. */
export const updateRule = (
  context: FlagContext,
  caller: Caller,
  input: RuleUpdate,
): Promise<WriteResult<Flag>> => {
  const { write, fields } = splitInput(input);
  const { position, ...patch } = fields;
  return writeRules(context, caller, write, flag => {
    const index = indexOfRule(flag, input.id);
    const others = flag.rules.toSpliced(index, 1);
    return insert(others, patchRule(flag.rules[index], patch), position ?? index);
  });
};

export const deleteRule = (
  context: FlagContext,
  caller: Caller,
  { id, ...write }: RuleDeletion,
): Promise<WriteResult<Flag>> =>
  writeRules(context, caller, write, flag => flag.rules.toSpliced(indexOfRule(flag, id), 1));

/**
 * Adds members to a list of a rule, and removes members from it. Which variants the rules serve stays the
 * same, so a flag whose rules change nothing may be changed too.
 */
export const updateRuleMembers = (
  context: FlagContext,
  caller: Caller,
  { environment, key, ifMatch, id, ...change }: ConditionalKey & MemberChange & { id: string },
): Promise<WriteResult<Flag>> =>
  patchDocument(context, caller, { environment, key, ifMatch, allowNoEffect: true }, flag => {
    const index = indexOfRule(flag, id);
    const path = `rules.${index}.conditions`;
    const rules = flag.rules.map(rule =>
      rule.id === id ? { ...rule, conditions: changeMembers(rule.conditions, path, change) } : rule,
    );
    return { rules };
  });

/** Separates the fields of the rule from those of the request. */
const splitInput = <Input extends RuleWrite>({
  environment,
  key,
  ifMatch,
  allowNoEffect,
  defaultVariant,
  ...fields
}: Input) => ({ write: { environment, key, ifMatch, allowNoEffect, defaultVariant }, fields });

const writeRules = (
  context: FlagContext,
  caller: Caller,
  { defaultVariant, ...target }: RuleWrite,
  rulesAfter: (flag: Flag) => readonly object[],
): Promise<WriteResult<Flag>> =>
  patchDocument(context, caller, target, flag => ({ rules: rulesAfter(flag), defaultVariant }));

/** Returns the index of a rule. Throws NOT_FOUND if the flag does not have it. */
const indexOfRule = ({ key, rules }: Flag, id: string): number => {
  const index = rules.findIndex(rule => rule.id === id);
  if (index !== -1) return index;
  throw new PennonError(
    'NOT_FOUND',
    `flag "${key}" does not have a rule "${id}": ${describeRules(rules)}`,
  );
};

/** How many rule ids a message lists. */
const LISTED_IDS = 20;

const describeRules = (rules: readonly Rule[]): string => {
  if (rules.length === 0) return 'it has no rules';
  const listed = rules.slice(0, LISTED_IDS).map(({ id }) => `"${id}"`);
  const more = rules.length - listed.length;
  return `its rules are ${listed.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};

const ruleExists = ({ key, id }: RuleAddition): PennonError =>
  new PennonError(
    'CONFLICT',
    `flag "${key}" already has a rule "${id}": change it with PATCH /flags/${key}/rules/${id}, or use another id`,
  );

/**
 * Merges a patch into a rule: null removes a field. A condition in short form replaces the conditions, and
 * `variant` and `split` replace each other, because a rule has only one of them.
 */
const patchRule = (rule: Rule | undefined, patch: Omit<RuleFields, 'position'>): object => {
  const replaced = {
    ...(patch.attribute != null && { conditions: null }),
    ...(patch.split != null && { variant: null }),
    ...(patch.variant != null && { split: null }),
  };
  return mergePatch(mergePatch(rule ?? {}, replaced, {}), patch, {});
};

const insert = (others: readonly Rule[], rule: object, position: RulePosition): object[] => {
  const rules: object[] = [...others];
  rules.splice(indexAt(others, position), 0, rule);
  return rules;
};

const indexAt = (others: readonly Rule[], position: RulePosition): number => {
  if (typeof position === 'number') return requireIndex(others, position);
  if ('before' in position) return indexOfNeighbour(others, position.before, 'before');
  return indexOfNeighbour(others, position.after, 'after') + 1;
};

const requireIndex = (others: readonly Rule[], index: number): number => {
  if (index <= others.length) return index;
  const message = `must be 0 to ${others.length}, because the flag has ${others.length} other rules`;
  throw invalid([{ path: 'position', message }]);
};

const indexOfNeighbour = (
  others: readonly Rule[],
  id: string,
  side: 'before' | 'after',
): number => {
  const index = others.findIndex(rule => rule.id === id);
  if (index !== -1) return index;
  const message = `must be the id of another rule of the flag, not "${id}": ${describeRules(others)}`;
  throw invalid([{ path: `position.${side}`, message }]);
};
