import { references } from '@pennon/engine';
import { serverManagedFields, type ErrorDetail, type Flag, type Segment } from '@pennon/schema';

import { environmentOf, type Caller, type CopyCallers } from '../auth/caller.ts';
import { invalid, PennonError } from '../errors.ts';
import { fixedDesignProblems } from '../flag-set/fixed-designs.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { flagResource, requireSameType } from '../flags/flag.ts';
import { findFlags } from '../flags/update-many.ts';
import type { WritePlan } from '../replication/writer.ts';
import { problemsOf, sameEnvironment } from '../resources/copy.ts';
import { differences, type Difference } from '../resources/differences.ts';
import { hashTag, matchingTag } from '../resources/entity-tag.ts';
import { nextServerFields, putsOf, warningsOf, type Put } from '../resources/plan.ts';
import type { ResourceServices } from '../resources/resource-type.ts';
import { validateTogether } from '../resources/validate.ts';
import { segmentResource } from '../segments/segment.ts';
import { nextTurn } from '../slices.ts';
import type { Stored, Writes } from '../store/store.ts';

/** The fields of a flag that a promotion can take. */
export const PROMOTED_FIELDS = [
  'enabled',
  'rules',
  'variants',
  'defaultVariant',
  'seed',
  'clientVisible',
  'metadata',
  'name',
  'description',
  'tags',
  'owner',
  'codeDefault',
  'numberType',
] as const satisfies readonly (keyof Flag)[];

export type PromotedField = (typeof PROMOTED_FIELDS)[number];

export type PromoteInput = {
  readonly from: string;
  readonly to: string;
  readonly flags: readonly string[];
  /** Segments to copy although the target has them. Those that it lacks are always copied. */
  readonly segments?: readonly string[] | undefined;
  readonly take?: readonly PromotedField[] | undefined;
  readonly dryRun?: boolean | undefined;
  /** The entity tag of the preview that was reviewed. */
  readonly ifMatch?: string | undefined;
};

/** What a promotion does with one document. */
export type Promoted = {
  kind: 'flag' | 'segment';
  key: string;
  outcome: 'create' | 'change' | 'unchanged';
  differences: Difference[];
};

export type Promotion = {
  dryRun: boolean;
  from: string;
  to: string;
  items: Promoted[];
  /** Why it would be refused. */
  problems?: ErrorDetail[] | undefined;
  warnings?: ErrorDetail[] | undefined;
  etag: string;
};

/** One promotion, with its environments. */
type Run = {
  readonly services: ResourceServices;
  readonly caller: Caller;
  readonly input: PromoteInput;
};

/** A document as it will be, what it replaces, and the ids of the changes that wrote both. */
type Item<Document> = Put<Document> & {
  readonly differences: Difference[];
  readonly changeIds: readonly (string | null)[];
};

type Items = {
  readonly flags: readonly Item<Flag>[];
  readonly segments: readonly Item<Segment>[];
};

/**
 * Copies flags, and the segments that they need, from one environment to another in one commit, or with `dryRun`
 * returns what that would change. A flag that exists there keeps the fields that are not taken.
 */
export const promote = async (
  services: ResourceServices,
  { caller, reader }: CopyCallers,
  input: PromoteInput,
): Promise<Promotion> => {
  const from = environmentOf(reader, input.from);
  const to = environmentOf(caller, input.to);
  if (from === to) throw sameEnvironment();
  const [source, target] = [services.registry.find(from), services.registry.find(to)];
  await Promise.all([source.replica.refresh(), target.replica.refresh()]);
  const run = { services, caller, input };
  if (input.dryRun === true) return preview(run, source.view(), target.view());
  return target.write(view => plan(run, source.view(), view));
};

const preview = async (run: Run, source: FlagSetView, target: FlagSetView): Promise<Promotion> => {
  const items = await itemsOf(run, source, target);
  const problems = [
    ...(await problemsOf(() => validate(target, items))),
    ...fixedDesignProblems(target.snapshot.records, { writes: writesOf(items) }),
  ];
  return {
    ...reportOf(run, items, true),
    ...(problems.length === 0 ? {} : { problems }),
    ...(await warningsAbout(run, items)),
  };
};

const plan = async (
  run: Run,
  source: FlagSetView,
  target: FlagSetView,
): Promise<WritePlan<'flagSet', Promotion>> => {
  const { services, caller, input } = run;
  const items = await itemsOf(run, source, target);
  requireReviewed(input, tagOf(run, items));
  await validate(target, items);
  const at = services.clock.now();
  const auditInfo = {
    caller,
    action: 'copy',
    environment: input.to,
    from: input.from,
    at,
  } as const;
  const flags = await putsOf({ ...services, type: flagResource }, auditInfo, changed(items.flags));
  const segments = await putsOf(
    { ...services, type: segmentResource },
    auditInfo,
    changed(items.segments),
  );
  return {
    writes: { ...nonEmpty('flags', flags.writes), ...nonEmpty('segments', segments.writes) },
    versions: { ...flags.versions, ...segments.versions },
    audit: [...flags.audit, ...segments.audit],
    result: async () => ({ ...reportOf(run, items, false), ...(await warningsAbout(run, items)) }),
  };
};

const writesOf = ({ flags, segments }: Items): Writes<'flagSet'> => {
  const byKey = <Document extends { readonly key: string }>(items: readonly Item<Document>[]) =>
    new Map(changed(items).map(({ document }) => [document.key, document]));
  return { flags: byKey(flags), segments: byKey(segments) };
};

/** A plan without any collection commits nothing. */
const nonEmpty = (name: 'flags' | 'segments', writes: WritePlan<'flagSet', unknown>['writes']) =>
  (writes[name]?.size ?? 0) === 0 ? {} : writes;

const requireReviewed = ({ ifMatch }: PromoteInput, etag: string): void => {
  if (ifMatch === undefined || matchingTag(ifMatch, etag) !== undefined) return;
  throw new PennonError(
    'PRECONDITION_FAILED',
    'a flag or segment has changed since this was reviewed: preview it again',
    { etag },
  );
};

const itemsOf = async (run: Run, source: FlagSetView, target: FlagSetView): Promise<Items> => {
  const { input } = run;
  const keys = [...new Set(input.flags)];
  const flags: Item<Flag>[] = [];
  for (const stored of findFlags(source, keys, input.from)) {
    flags.push(await flagItem(run, stored, target));
    await nextTurn();
  }
  return { flags, segments: await segmentItems(run, flags, { source, target }) };
};

const flagItem = async (
  run: Run,
  stored: Stored<Flag>,
  { snapshot }: FlagSetView,
): Promise<Item<Flag>> => {
  const { services, input } = run;
  const { type, take } = { type: flagResource, take: takenFields(input) };
  const { document: source } = stored;
  const found = snapshot.records.flags.get(source.key);
  const current = found?.document ?? null;
  const { ledger } = services.registry.find(input.to).replica;
  const next = { ledger, key: source.key, current, at: services.clock.now() };
  const serverFields = await nextServerFields({ ...services, type }, next);
  const enabled = take.includes('enabled') ? source.enabled : undefined;
  const document =
    current === null
      ? { ...type.copyOf(source, null, enabled), ...serverFields }
      : type.parse(withFields(current, source, take), serverFields, current);
  return itemOf(document, current, [stored.changeId, found?.changeId ?? null]);
};

/** Returns a flag with some fields as the other one has them, or without those that it lacks. */
const withFields = (flag: Flag, other: Flag, fields: readonly string[]): object =>
  Object.fromEntries([
    ...Object.entries(flag).filter(([name]) => !fields.includes(name)),
    ...Object.entries(other).filter(([name]) => fields.includes(name)),
  ]);

/** Whether a flag is enabled is decided in each environment, so it is taken only if that is requested. */
const takenFields = ({ take }: PromoteInput): readonly PromotedField[] =>
  take ?? PROMOTED_FIELDS.filter(field => field !== 'enabled');

const itemOf = <Document extends object>(
  document: Document,
  current: Document | null,
  changeIds: Item<Document>['changeIds'],
): Item<Document> => ({
  document,
  current,
  changeIds,
  differences: differences(current, document, Object.keys(serverManagedFields)),
});

type Views = { readonly source: FlagSetView; readonly target: FlagSetView };

/** The segments that were chosen, and those that the flags need and the target lacks. */
const segmentItems = async (
  { services, input }: Run,
  flags: readonly Item<Flag>[],
  { source, target }: Views,
): Promise<Item<Segment>[]> => {
  const chosen = input.segments ?? [];
  requireSegments(source, chosen, input.from);
  const has = ({ snapshot }: FlagSetView, key: string) => snapshot.records.segments.has(key);
  const needed = flags.flatMap(({ document }) => references(document).segments);
  const missing = needed.filter(key => !has(target, key) && has(source, key));
  const items: Item<Segment>[] = [];
  for (const key of new Set([...chosen, ...missing])) {
    const stored = source.snapshot.records.segments.get(key);
    if (stored === undefined) continue;
    const found = target.snapshot.records.segments.get(key);
    const current = found?.document ?? null;
    const { ledger } = services.registry.find(input.to).replica;
    const next = { ledger, key, current, at: services.clock.now() };
    const serverFields = await nextServerFields({ ...services, type: segmentResource }, next);
    const document = { ...stored.document, ...serverFields };
    items.push(itemOf(document, current, [stored.changeId, found?.changeId ?? null]));
  }
  return items;
};

const requireSegments = (
  { snapshot }: FlagSetView,
  keys: readonly string[],
  environment: string,
): void => {
  const details = keys.flatMap((key, index) =>
    snapshot.records.segments.has(key)
      ? []
      : [
          {
            path: `segments.${index}`,
            message: `"${key}" does not exist in environment "${environment}"`,
          },
        ],
  );
  if (details.length > 0) throw invalid(details);
};

const changed = <Document>(items: readonly Item<Document>[]): readonly Item<Document>[] =>
  items.filter(item => outcomeOf(item) !== 'unchanged');

const outcomeOf = ({ current, differences: found }: Item<unknown>): Promoted['outcome'] => {
  if (current === null) return 'create';
  return found.length === 0 ? 'unchanged' : 'change';
};

const validate = async (target: FlagSetView, { flags, segments }: Items): Promise<void> => {
  for (const { document, current } of flags)
    if (current !== null) requireSameType(document, current);
  await validateTogether(target, {
    flags: changed(flags).map(({ document }) => document),
    segments: changed(segments).map(({ document }) => document),
  });
};

const reportOf = (run: Run, items: Items, dryRun: boolean): Omit<Promotion, 'warnings'> => {
  const report =
    (kind: Promoted['kind']) =>
    (item: Item<Flag | Segment>): Promoted => ({
      kind,
      key: item.document.key,
      outcome: outcomeOf(item),
      differences: item.differences,
    });
  return {
    dryRun,
    from: run.input.from,
    to: run.input.to,
    items: [...items.segments.map(report('segment')), ...items.flags.map(report('flag'))],
    etag: tagOf(run, items),
  };
};

/** Differs if any document has changed, in either environment, or if other fields are taken. */
const tagOf = ({ input }: Run, { flags, segments }: Items): string =>
  hashTag([
    input.from,
    input.to,
    takenFields(input),
    [...flags, ...segments].map(({ document: { key }, changeIds }) => [key, changeIds]),
  ]);

const warningsAbout = async (
  { services, caller, input }: Run,
  { flags, segments }: Items,
): Promise<{ warnings?: ErrorDetail[] }> => {
  const scope = { caller, environment: input.to };
  const warnings: ErrorDetail[] = [];
  const add = (key: string, found: readonly ErrorDetail[] = []) => {
    for (const { path, message } of found) warnings.push({ path: `${key}.${path}`, message });
  };
  for (const { document } of changed(flags))
    add(
      document.key,
      (await warningsOf({ ...services, type: flagResource }, document, scope)).warnings,
    );
  for (const { document } of changed(segments))
    add(
      document.key,
      (await warningsOf({ ...services, type: segmentResource }, document, scope)).warnings,
    );
  return warnings.length === 0 ? {} : { warnings };
};
