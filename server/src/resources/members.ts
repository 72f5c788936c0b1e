import type { AttributeCondition, Condition, Scalar, Segment } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { invalid } from '../errors.ts';
import type { WriteResult } from './plan.ts';
import type { ResourceContext } from './resource-type.ts';
import { patchDocument, type ConditionalKey } from './write.ts';

/** Members to add to the list of one condition, and to remove from it. */
export type MemberChange = {
  readonly attribute: string;
  /** Needed only if several conditions compare the attribute with a list. */
  readonly operator?: string | undefined;
  readonly add?: readonly Scalar[] | undefined;
  readonly remove?: readonly Scalar[] | undefined;
};

/** Adds members to a list of a segment, and removes members from it. */
export const updateSegmentMembers = (
  context: ResourceContext<'segments'>,
  caller: Caller,
  { environment, key, ifMatch, ...change }: ConditionalKey & MemberChange,
): Promise<WriteResult<Segment>> =>
  patchDocument(context, caller, { environment, key, ifMatch }, ({ conditions }) => ({
    conditions: changeMembers(conditions, 'conditions', change),
  }));

/**
 * Returns the conditions with the changed list. Members that the list already has, or does not have, change
 * nothing. A list may become empty. Throws BAD_REQUEST unless exactly one condition has the attribute, a
 * list, and the operator if there is one. `path` is the path of the conditions.
 */
export const changeMembers = (
  conditions: readonly Condition[],
  path: string,
  change: MemberChange,
): object[] => {
  requireDistinct(change);
  const { condition, value } = findList(listsIn(conditions, path), change);
  return replaceCondition(conditions, condition, {
    ...condition,
    value: membersAfter(value, change),
  });
};

type List = {
  readonly path: string;
  readonly condition: AttributeCondition;
  readonly value: readonly Scalar[];
};

const listsIn = (conditions: readonly Condition[], base: string): List[] =>
  conditions.flatMap((condition, index) => {
    const path = `${base}.${index}`;
    if ('any' in condition) return listsIn(condition.any, `${path}.any`);
    if ('all' in condition) return listsIn(condition.all, `${path}.all`);
    if (!('operator' in condition) || !Array.isArray(condition.value)) return [];
    return [{ path, condition, value: condition.value }];
  });

const findList = (lists: readonly List[], { attribute, operator }: MemberChange): List => {
  const candidates = lists.filter(
    ({ condition }) =>
      condition.attribute === attribute &&
      (operator === undefined || condition.operator === operator),
  );
  const [found] = candidates;
  if (found !== undefined && candidates.length === 1) return found;
  const wanted = `"${attribute}"${operator === undefined ? '' : ` by "${operator}"`}`;
  const message =
    found === undefined
      ? `is ${wanted}, but no condition compares that with a list: ${existingLists(lists)}`
      : `is ${wanted}, and several conditions compare that with a list: ${describeLists(candidates)}; ${remedyFor(candidates)}`;
  throw invalid([{ path: 'attribute', message }]);
};

const existingLists = (lists: readonly List[]): string =>
  lists.length === 0
    ? 'no condition has a list; write one with PATCH'
    : `the conditions with a list are ${describeLists(lists)}`;

const describeLists = (lists: readonly List[]): string =>
  lists
    .map(({ path, condition: { attribute, operator, not } }) => {
      const negation = not === true ? 'not ' : '';
      return `${path} ("${attribute}" ${negation}${operator})`;
    })
    .join(', ');

const remedyFor = (candidates: readonly List[]): string => {
  const operators = new Set(candidates.map(({ condition }) => condition.operator));
  return operators.size === candidates.length
    ? 'send "operator" too'
    : 'write the conditions with PATCH';
};

const requireDistinct = ({ add = [], remove = [] }: MemberChange): void => {
  const added = new Set(add);
  const index = remove.findIndex(member => added.has(member));
  if (index !== -1)
    throw invalid([{ path: `remove.${index}`, message: 'is in "add" too: leave out one of them' }]);
};

const membersAfter = (
  current: readonly Scalar[],
  { add = [], remove = [] }: MemberChange,
): readonly Scalar[] => {
  const members = new Set(current);
  if (add.every(member => members.has(member)) && !remove.some(member => members.has(member)))
    return current;
  for (const member of add) members.add(member);
  for (const member of remove) members.delete(member);
  return [...members];
};

const replaceCondition = (
  conditions: readonly Condition[],
  replaced: Condition,
  replacement: object,
): object[] =>
  conditions.map(condition => {
    if (condition === replaced) return replacement;
    if ('any' in condition)
      return { ...condition, any: replaceCondition(condition.any, replaced, replacement) };
    if ('all' in condition)
      return { ...condition, all: replaceCondition(condition.all, replaced, replacement) };
    return condition;
  });
