import type { Api } from '../api/api.ts';
import type { ErrorDetail } from '../api/errors.ts';

/** What can be done with the documents of several flags in several environments. */
export type BulkAction =
  | { readonly kind: 'delete' }
  | { readonly kind: 'tag'; readonly add: readonly string[]; readonly remove: readonly string[] };

/** Flags of one environment that one commit changes. */
export type Target = { readonly environment: string; readonly keys: readonly string[] };

/** What a commit does with one flag: it leaves it alone, deletes it, or changes its tags. */
export type Effect =
  | { readonly kind: 'none' }
  | { readonly kind: 'delete' }
  | { readonly kind: 'tag'; readonly before: readonly string[]; readonly after: readonly string[] };

/** What one commit does, and why the server would refuse it. */
export type BulkPreview = Target & {
  readonly effects: Readonly<Record<string, Effect>>;
  readonly problems: readonly ErrorDetail[];
  /** The flags that were previewed. */
  readonly etags: Readonly<Record<string, string>>;
};

/** Returns what an action does in one environment. */
export const previewBulk = async (
  { procedures: { flags } }: Api,
  action: BulkAction,
  { environment, keys }: Target,
): Promise<BulkPreview> => {
  const target = { environment, keys: [...keys], dryRun: true };
  if (action.kind === 'delete') {
    const { etags, problems = [] } = await flags.deleteMany.mutate(target);
    const effects = Object.fromEntries(keys.map(key => [key, { kind: 'delete' } as const]));
    return { environment, keys, effects, problems, etags };
  }
  const {
    items,
    etags,
    problems = [],
  } = await flags.tagMany.mutate({
    ...target,
    ...tagsOf(action),
  });
  const effects = Object.fromEntries(
    items.map(({ key, before, after }) => [key, effectOf(before, after)]),
  );
  return { environment, keys, effects, problems, etags };
};

const tagsOf = ({ add, remove }: Extract<BulkAction, { kind: 'tag' }>) => ({
  add: [...add],
  remove: [...remove],
});

const effectOf = (before: readonly string[], after: readonly string[]): Effect =>
  before.join('\n') === after.join('\n') ? { kind: 'none' } : { kind: 'tag', before, after };

/** Makes what was previewed in one commit, unless a flag has changed since then. */
export const applyBulk = async (
  { procedures: { flags } }: Api,
  action: BulkAction,
  { environment, keys, etags }: BulkPreview,
  comment: string,
): Promise<void> => {
  const target = { environment, keys: [...keys], ifMatch: { ...etags } };
  const options = { context: { comment } };
  if (action.kind === 'delete') await flags.deleteMany.mutate(target, options);
  else await flags.tagMany.mutate({ ...target, ...tagsOf(action) }, options);
};

/** Returns what the server would refuse of one flag. */
export const problemsOf = ({ problems }: BulkPreview, key: string): readonly ErrorDetail[] =>
  problems.filter(({ path }) => path === `flags.${key}`);
