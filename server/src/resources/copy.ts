import { serverManagedFields, type ErrorDetail } from '@pennon/schema';

import { environmentOf, type Caller, type CopyCallers } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import { fixedDesignProblems } from '../flag-set/fixed-designs.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { WritePlan } from '../replication/writer.ts';
import type { Documents } from '../store/store.ts';
import { differences, type Difference } from './differences.ts';
import { nextServerFields, planNothing, planPut, warningsOf, type WriteResult } from './plan.ts';
import { notFound, recordsOf } from './read.ts';
import type { ResourceContext, ResourceKey, ResourceName } from './resource-type.ts';
import { alreadyExists } from './write.ts';

export type CopyInput = ResourceKey & {
  readonly to: string;
  readonly overwrite?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  /** Whether a flag arrives enabled. By default a new flag is disabled, and a replaced one stays as it is. */
  readonly enabled?: boolean | undefined;
};

/** What a copy would change. */
export type CopyPreview = {
  dryRun: true;
  key: string;
  environment: string;
  to: string;
  outcome: 'create' | 'overwrite' | 'refused' | 'unchanged';
  differences: Difference[];
  /** Why the copy would be refused even with `overwrite`. */
  problems?: ErrorDetail[] | undefined;
  warnings?: ErrorDetail[] | undefined;
};

/** One copy: the document to copy, and the environments it is copied from and to. */
type Copy<Document> = {
  readonly source: Document;
  readonly from: string;
  readonly to: string;
  readonly overwrite: boolean;
  readonly enabled: boolean | undefined;
};

/** Copies a document into another environment, or with `dryRun` returns what that would change. */
export const copyDocument = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  { caller, reader }: CopyCallers,
  { environment, key, to: requestedTarget, overwrite = false, dryRun = false, enabled }: CopyInput,
): Promise<WriteResult<Documents[Name]> | CopyPreview> => {
  const from = environmentOf(reader, environment);
  const to = environmentOf(caller, requestedTarget);
  if (from === to) throw sameEnvironment();
  const source = await readSource(context, from, key);
  const target = context.registry.find(to);
  await target.replica.refresh();
  const copy = { source, from, to, overwrite, enabled };
  if (dryRun) return previewCopy(context, target.view(), caller, copy);
  return target.write(view => planCopy(context, view, caller, copy));
};

const readSource = async <Name extends ResourceName>(
  { type, registry }: ResourceContext<Name>,
  environment: string,
  key: string,
): Promise<Documents[Name]> => {
  const { replica } = registry.find(environment);
  await replica.refresh();
  const records = recordsOf(type, replica.current());
  const source = records.get(key);
  if (source === undefined) throw notFound(type, key, environment, records);
  return source.document;
};

const previewCopy = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  view: FlagSetView,
  caller: Caller,
  copy: Copy<Documents[Name]>,
): Promise<CopyPreview> => {
  const { source, from, to, overwrite } = copy;
  const { current = null, document, changed } = await compareWithTarget(context, view, copy);
  const writes = changed.length === 0 ? {} : context.type.writes(new Map([[source.key, document]]));
  const problems = [
    ...(await problemsOf(() => context.type.validate(view, document, current && current.document))),
    ...fixedDesignProblems(view.snapshot.records, { writes }),
  ];
  const isRefused = problems.length > 0 || (current !== null && !overwrite);
  return {
    dryRun: true,
    key: source.key,
    environment: from,
    to,
    outcome: isRefused ? 'refused' : outcomeOf(current !== null, changed.length > 0),
    differences: changed,
    ...(problems.length === 0 ? {} : { problems }),
    ...(await warningsOf(context, document, { caller, environment: to })),
  };
};

/** Plans the copy. It writes nothing, not even a version, if the target already has the same document. */
const planCopy = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  view: FlagSetView,
  caller: Caller,
  copy: Copy<Documents[Name]>,
): Promise<WritePlan<'flagSet', WriteResult<Documents[Name]>>> => {
  const { type } = context;
  const { source, from, to: environment, overwrite } = copy;
  const { current, at, document, changed } = await compareWithTarget(context, view, copy);
  if (current !== undefined && !overwrite)
    throw alreadyExists(type, source.key, environment, 'set "overwrite" to replace it');
  await type.validate(view, document, current?.document ?? null);
  if (current !== undefined && changed.length === 0)
    return planNothing(context, current, { caller, environment });
  const auditInfo = { caller, action: 'copy', environment, from, at } as const;
  return planPut(context, auditInfo, document, current?.document ?? null);
};

/** Returns the copy as it would be stored at the target, what it would replace, and their differences. */
const compareWithTarget = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  { snapshot }: FlagSetView,
  { source, to, enabled }: Copy<Documents[Name]>,
) => {
  const { type, registry, clock } = context;
  const { ledger } = registry.find(to).replica;
  const current = recordsOf(type, snapshot).get(source.key);
  const replaced = current?.document ?? null;
  const at = clock.now();
  const next = { ledger, key: source.key, current: replaced, at };
  const copied = type.copyOf(source, replaced, enabled);
  const document = { ...copied, ...(await nextServerFields(context, next)) };
  const changed = differences(replaced, document, Object.keys(serverManagedFields));
  return { current, at, document, changed };
};

export const sameEnvironment = (): PennonError =>
  new PennonError('BAD_REQUEST', '"to" must be another environment', {
    details: [{ path: 'to', message: 'must be another environment' }],
  });

const outcomeOf = (exists: boolean, differs: boolean): CopyPreview['outcome'] => {
  if (!exists) return 'create';
  return differs ? 'overwrite' : 'unchanged';
};

/** The details of the BAD_REQUEST that `check` throws. */
export const problemsOf = async (check: () => Promise<void>): Promise<ErrorDetail[]> => {
  try {
    await check();
    return [];
  } catch (error) {
    if (error instanceof PennonError) return [...(error.extra.details ?? [])];
    throw error;
  }
};
