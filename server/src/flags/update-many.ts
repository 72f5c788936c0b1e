import { didYouMean, type ErrorDetail, type Flag } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { invalid, PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { WritePlan } from '../replication/writer.ts';
import { entityTag } from '../resources/entity-tag.ts';
import {
  putsOf,
  serverFieldsAfter,
  warningsOf,
  type AuditInfo,
  type WriteScope,
} from '../resources/plan.ts';
import type { ResourceContext } from '../resources/resource-type.ts';
import { validateFlags } from '../resources/validate.ts';
import { isSameContent, requireCurrentTag } from '../resources/write.ts';
import { mapInSlices } from '../slices.ts';
import type { ChangeId } from '../store/change-id.ts';
import type { Stored } from '../store/store.ts';
import { requireSameType } from './flag.ts';

/** Several flags of one environment that a write changes together. */
export type FlagSelection = {
  readonly environment?: string | undefined;
  readonly keys: readonly string[];
  /** Entity tags by flag key, as If-Match has them for a single flag. */
  readonly ifMatch?: Readonly<Record<string, string>> | undefined;
};

/** One patch for several flags. */
export type FlagsUpdate = FlagSelection & {
  readonly patch: object;
  readonly allowNoEffect?: boolean | undefined;
};

/** The flags after a write of several, in the order of the requested keys. */
export type FlagsWriteResult = {
  items: Flag[];
  etags: Record<string, string>;
  /** Keys of the flags that are different now. */
  changed: string[];
  warnings?: ErrorDetail[] | undefined;
};

type FlagContext = ResourceContext<'flags'>;

/** A flag before and after the patch. They have the same content if the patch changes nothing. */
type FlagUpdate = {
  readonly stored: Stored<Flag>;
  readonly document: Flag;
  readonly isChanged: boolean;
};

/**
 * Applies one patch to several flags in one commit: all of them are written, or none. Flags that the patch
 * does not change get no version. Throws NOT_FOUND with all keys that do not exist.
 */
export const updateFlags = (
  context: FlagContext,
  caller: Caller,
  input: FlagsUpdate,
): Promise<FlagsWriteResult> => {
  const environment = environmentOf(caller, input.environment);
  const keys = distinctKeys(input);
  return context.registry.find(environment).write(async view => {
    const at = context.clock.now();
    const updates = await mapInSlices(findFlags(view, keys, environment), stored =>
      updateFlag(context, stored, input, at),
    );
    await validateUpdates(context, view, updates, input.allowNoEffect ?? false);
    return planUpdates(context, { caller, action: 'update', environment, at }, updates);
  });
};

/** Returns each key once. Throws BAD_REQUEST if there is an entity tag for another one. */
export const distinctKeys = ({ keys, ifMatch = {} }: FlagSelection): readonly string[] => {
  const unexpected = Object.keys(ifMatch).filter(key => !keys.includes(key));
  if (unexpected.length === 0) return [...new Set(keys)];
  throw invalid(
    unexpected.map(key => ({ path: `ifMatch.${key}`, message: 'is not one of "keys"' })),
  );
};

/** Throws NOT_FOUND with all keys that do not exist. */
export const findFlags = (
  { snapshot: { records } }: FlagSetView,
  keys: readonly string[],
  environment: string,
): Stored<Flag>[] => {
  const found = keys.flatMap(key => records.flags.get(key) ?? []);
  if (found.length === keys.length) return found;
  const missing = keys.filter(key => !records.flags.has(key));
  const quoted = missing.map(key => `"${key}"`).join(', ');
  const subject = missing.length === 1 ? `flag ${quoted} does` : `flags ${quoted} do`;
  throw new PennonError(
    'NOT_FOUND',
    `${subject} not exist in environment "${environment}", so nothing was written`,
    {
      details: missing.map(key => ({
        path: 'keys',
        message: `"${key}" does not exist${didYouMean(key, [...records.flags.keys()])}`,
      })),
    },
  );
};

const updateFlag = (
  { type }: FlagContext,
  stored: Stored<Flag>,
  { patch, ifMatch }: FlagsUpdate,
  at: number,
): FlagUpdate => {
  const current = stored.document;
  requireCurrentTag(type, stored, ifMatch?.[current.key]);
  const document = type.merge(current, patch, serverFieldsAfter(current, at));
  return { stored, document, isChanged: !isSameContent(current, document) };
};

/** Validates the flags together, because they may depend on each other. */
const validateUpdates = async (
  { type }: FlagContext,
  view: FlagSetView,
  updates: readonly FlagUpdate[],
  allowNoEffect: boolean,
): Promise<void> => {
  for (const { document, stored } of updates) requireSameType(document, stored.document);
  await validateFlags(
    view,
    updates.map(({ document }) => document),
  );
  if (allowNoEffect) return;
  await mapInSlices(updates, ({ document, stored }) =>
    type.requireEffect(document, stored.document),
  );
};

const planUpdates = async (
  context: FlagContext,
  auditInfo: AuditInfo,
  updates: readonly FlagUpdate[],
): Promise<WritePlan<'flagSet', FlagsWriteResult>> => {
  const changed = updates.filter(({ isChanged }) => isChanged);
  const puts =
    changed.length === 0
      ? { writes: {}, audit: [] }
      : await putsOf(
          context,
          auditInfo,
          changed.map(({ document, stored }) => ({ document, current: stored.document })),
        );
  return {
    ...puts,
    result: changeId => resultOf(context, auditInfo, updates, changeId),
  };
};

const resultOf = async (
  context: FlagContext,
  scope: WriteScope,
  updates: readonly FlagUpdate[],
  changeId: ChangeId,
): Promise<FlagsWriteResult> => {
  const after = updates.map(({ stored, document, isChanged }) =>
    isChanged ? { document, changeId } : stored,
  );
  const warnings: ErrorDetail[] = [];
  for (const { document } of after) {
    const { warnings: own = [] } = await warningsOf(context, document, scope);
    for (const { path, message } of own)
      warnings.push({ path: `${document.key}.${path}`, message });
  }
  return {
    items: after.map(({ document }) => document),
    etags: Object.fromEntries(after.map(each => [each.document.key, entityTag(each.changeId)])),
    changed: updates.flatMap(({ isChanged, document }) => (isChanged ? [document.key] : [])),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
};
