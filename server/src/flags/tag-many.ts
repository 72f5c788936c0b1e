import { LIMITS, type ErrorDetail, type Flag } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { invalid } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { entityTag } from '../resources/entity-tag.ts';
import { putsOf, serverFieldsAfter } from '../resources/plan.ts';
import type { ResourceContext } from '../resources/resource-type.ts';
import { requireCurrentTag } from '../resources/write.ts';
import { mapInSlices } from '../slices.ts';
import type { ChangeId } from '../store/change-id.ts';
import type { Stored } from '../store/store.ts';
import { distinctKeys, findFlags, type FlagSelection } from './update-many.ts';

export type FlagsTagging = FlagSelection & {
  readonly add?: readonly string[] | undefined;
  readonly remove?: readonly string[] | undefined;
  readonly dryRun?: boolean | undefined;
};

/** The tags of a flag before and after. */
export type TaggedFlag = { key: string; before: string[]; after: string[] };

export type FlagsTaggingResult = {
  dryRun: boolean;
  items: TaggedFlag[];
  /** Keys of the flags whose tags are, or would be, different. */
  changed: string[];
  /** The entity tag of each flag, by its key. */
  etags: Record<string, string>;
  /** Why it would be refused. */
  problems?: ErrorDetail[] | undefined;
};

/**
 * Adds tags to several flags, and removes others from them, in one commit. With `dryRun` it returns what would change.
 * Flags that have the tags already get no version.
 */
export const tagFlags = async (
  context: ResourceContext<'flags'>,
  caller: Caller,
  input: FlagsTagging,
): Promise<FlagsTaggingResult> => {
  const environment = environmentOf(caller, input.environment);
  const selection = { ...input, keys: distinctKeys(input) };
  const live = context.registry.find(environment);
  if (input.dryRun === true) {
    await live.replica.refresh();
    const taggings = taggingsOf(context, live.view(), environment, selection);
    const problems = problemsOf(taggings);
    return { ...resultOf(taggings, true), ...(problems.length === 0 ? {} : { problems }) };
  }
  return live.write(async view => {
    const taggings = taggingsOf(context, view, environment, selection);
    const problems = problemsOf(taggings);
    if (problems.length > 0) throw invalid(problems, 'the list of tags');
    const at = context.clock.now();
    const changed = taggings.filter(isChanged);
    const puts = await mapInSlices(changed, ({ stored: { document: current }, after }) => ({
      document: context.type.merge(current, { tags: after }, serverFieldsAfter(current, at)),
      current,
    }));
    const auditInfo = { caller, action: 'update', environment, at } as const;
    return {
      ...(puts.length === 0 ? { writes: {}, audit: [] } : await putsOf(context, auditInfo, puts)),
      result: changeId => resultOf(taggings, false, changeId),
    };
  });
};

type Tagging = {
  readonly stored: Stored<Flag>;
  readonly before: readonly string[];
  readonly after: readonly string[];
};

const taggingsOf = (
  { type }: ResourceContext<'flags'>,
  view: FlagSetView,
  environment: string,
  { keys, ifMatch, add = [], remove = [] }: FlagsTagging,
): readonly Tagging[] =>
  findFlags(view, keys, environment).map(stored => {
    requireCurrentTag(type, stored, ifMatch?.[stored.document.key]);
    const before = stored.document.tags ?? [];
    const remaining = before.filter(tag => !remove.includes(tag));
    return { stored, before, after: [...new Set([...remaining, ...add])] };
  });

/** Tags keep their order, so the same number of the same tags is the same list. */
const isChanged = ({ before, after }: Tagging): boolean =>
  before.length !== after.length || before.some((tag, index) => tag !== after[index]);

const problemsOf = (taggings: readonly Tagging[]): ErrorDetail[] =>
  taggings
    .filter(({ after }) => after.length > LIMITS.tags)
    .map(({ stored: { document }, after }) => ({
      path: `flags.${document.key}`,
      message: `would have ${after.length} tags, and a flag has at most ${LIMITS.tags}: remove some`,
    }));

const resultOf = (
  taggings: readonly Tagging[],
  dryRun: boolean,
  changeId?: ChangeId,
): FlagsTaggingResult => ({
  dryRun,
  items: taggings.map(({ stored, before, after }) => ({
    key: stored.document.key,
    before: [...before],
    after: [...after],
  })),
  changed: taggings.filter(isChanged).map(({ stored }) => stored.document.key),
  etags: Object.fromEntries(
    taggings.map(tagging => [
      tagging.stored.document.key,
      entityTag(changeId !== undefined && isChanged(tagging) ? changeId : tagging.stored.changeId),
    ]),
  ),
});
