import { references } from '@pennon/engine';
import type { ErrorDetail, Flag } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import { fixedDesignProblems } from '../flag-set/fixed-designs.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { entityTag } from '../resources/entity-tag.ts';
import { deletesOf } from '../resources/plan.ts';
import type { ResourceContext } from '../resources/resource-type.ts';
import { requireCurrentTag } from '../resources/write.ts';
import { mapInSlices } from '../slices.ts';
import type { Stored } from '../store/store.ts';
import { distinctKeys, findFlags, type FlagSelection } from './update-many.ts';

export type FlagsDeletion = FlagSelection & { readonly dryRun?: boolean | undefined };

/** What a deletion of several flags deletes, or would delete. */
export type FlagsDeletionResult = {
  dryRun: boolean;
  keys: string[];
  /** The entity tag of each flag, by its key. */
  etags: Record<string, string>;
  /** Why it would be refused. */
  problems?: ErrorDetail[] | undefined;
};

/**
 * Deletes several flags in one commit: all of them, or none. With `dryRun` it returns what would be deleted, and what
 * prevents it. Throws CONFLICT, with one detail for each problem, if other flags refer to them or they are part of
 * running experiments.
 */
export const deleteFlags = async (
  context: ResourceContext<'flags'>,
  caller: Caller,
  input: FlagsDeletion,
): Promise<FlagsDeletionResult> => {
  const environment = environmentOf(caller, input.environment);
  const keys = distinctKeys(input);
  const live = context.registry.find(environment);
  if (input.dryRun === true) {
    await live.replica.refresh();
    const found = currentFlags(context, live.view(), environment, { ...input, keys });
    const problems = await deletionProblems(context, live.view(), keys);
    return { ...resultOf(found, true), ...(problems.length === 0 ? {} : { problems }) };
  }
  return live.write(async view => {
    const found = currentFlags(context, view, environment, { ...input, keys });
    const problems = await deletionProblems(context, view, keys);
    if (problems.length > 0) throw refusal(problems);
    const auditInfo = { caller, action: 'delete', environment, at: context.clock.now() } as const;
    const documents = found.map(({ document }) => document);
    return {
      ...(await deletesOf(context, auditInfo, documents)),
      result: () => resultOf(found, false),
    };
  });
};

/** Throws NOT_FOUND if a flag does not exist, or PRECONDITION_FAILED if it has another entity tag. */
const currentFlags = (
  { type }: ResourceContext<'flags'>,
  view: FlagSetView,
  environment: string,
  { keys, ifMatch }: FlagsDeletion,
): readonly Stored<Flag>[] => {
  const found = findFlags(view, keys, environment);
  for (const stored of found) requireCurrentTag(type, stored, ifMatch?.[stored.document.key]);
  return found;
};

const resultOf = (found: readonly Stored<Flag>[], dryRun: boolean): FlagsDeletionResult => ({
  dryRun,
  keys: found.map(({ document }) => document.key),
  etags: Object.fromEntries(
    found.map(({ document, changeId }) => [document.key, entityTag(changeId)]),
  ),
});

/** Flags that are deleted together may refer to each other. */
const deletionProblems = async (
  { type }: ResourceContext<'flags'>,
  view: FlagSetView,
  keys: readonly string[],
): Promise<ErrorDetail[]> => {
  const users = await usersOf(view, new Set(keys));
  const writes = type.writes(new Map(keys.map(key => [key, null])));
  return [
    ...[...users].map(([key, names]) => ({ path: `flags.${key}`, message: describeUsers(names) })),
    ...fixedDesignProblems(view.snapshot.records, { writes }),
  ];
};

/** Returns the flags that stay and refer to deleted ones, by the keys of these. */
const usersOf = async (
  { flagSet }: FlagSetView,
  deleted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly string[]>> => {
  const users = new Map<string, string[]>();
  await mapInSlices([...flagSet.flags.values()], flag => {
    if (deleted.has(flag.key)) return;
    for (const key of new Set(references(flag).flags.filter(each => deleted.has(each))))
      users.set(key, [...(users.get(key) ?? []), flag.key]);
  });
  return users;
};

/** As many flags can refer to one as an environment has. */
const MAX_NAMED = 20;

const describeUsers = (users: readonly string[]): string => {
  const names = users.slice(0, MAX_NAMED).map(user => `"${user}"`);
  const more = users.length > MAX_NAMED ? ` and ${users.length - MAX_NAMED} more` : '';
  const [noun, them] = users.length === 1 ? ['flag', 'it'] : ['flags', 'them'];
  return `is used by ${noun} ${names.join(', ')}${more}: change ${them} first`;
};

const refusal = (details: readonly ErrorDetail[]): PennonError => {
  const [first] = details;
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : '';
  return new PennonError(
    'CONFLICT',
    `nothing was deleted: ${first?.path} ${first?.message}${more}`,
    { details },
  );
};
