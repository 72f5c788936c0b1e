import type { ErrorDetail } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import type { Clock } from '../clock.ts';
import { formatInstant } from '../clock.ts';
import type { Registry } from '../flag-set/registry.ts';
import { PennonError } from '../errors.ts';
import type { Caller } from '../auth/caller.ts';
import { environmentOf } from '../auth/caller.ts';
import type { Page } from '../page.ts';
import { cursorsFor } from '../page.ts';
import type { Documents, Snapshot, Store, Stored, Writes } from '../store/store.ts';
import { requireLedger } from '../store/store.ts';
import type { Difference } from './differences.ts';
import { differences } from './differences.ts';
import { entityTag, requireMatch } from './entity-tag.ts';
import type { Base } from './validate.ts';

/**
 * What people define in an environment is a flag or a segment, and both live the same life: created,
 * replaced, patched, copied, deleted, listed. That life is here once; a noun says what is its own.
 */
export type ResourceType<Name extends 'flags' | 'segments'> = {
  readonly collection: Name;
  readonly word: 'flag' | 'segment';
  /** The whole document made of an input; throws a BAD_REQUEST that names each wrong field. */
  readonly complete: (input: object, kept: ServerFields) => Documents[Name];
  /** The current document with a patch laid over it; null clears. */
  readonly patched: (
    current: Documents[Name],
    patch: object,
    kept: ServerFields,
  ) => Documents[Name];
  /** Refuses what may not change once the document exists. */
  readonly requireChangeable: (before: Documents[Name], after: Documents[Name]) => void;
  /** Refuses a document after which some flag could not be decided. */
  readonly requireSound: (base: Base, after: Documents[Name]) => void;
  /** Flags that name this document. */
  readonly usedBy: (base: Base, key: string) => readonly string[];
  /** What is allowed but hardly meant; `elsewhere` are the namesakes in other environments. */
  readonly warnings: (
    document: Documents[Name],
    elsewhere: ReadonlyMap<string, Documents[Name]>,
  ) => readonly ErrorDetail[];
  readonly stored: (snapshot: Snapshot<'flagSet'>) => ReadonlyMap<string, Stored<Documents[Name]>>;
  readonly writes: (documents: ReadonlyMap<string, Documents[Name] | null>) => Writes<'flagSet'>;
};

/** What the server keeps on a document. */
export type ServerFields = {
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type ResourceServices = {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
};

/** A document as it is answered: with its entity tag, and warnings where there are any. */
export type Answered<Document> = Document & { etag: string; warnings?: ErrorDetail[] };

type InEnvironment = { readonly environment?: string | undefined };
type Named = InEnvironment & { readonly key: string };
type Matched = { readonly ifMatch?: string | undefined };

export type ListQuery = InEnvironment & {
  readonly limit: number;
  readonly cursor?: string | undefined;
};

export type CopyInput = Named & {
  readonly to: string;
  readonly overwrite?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
};

/** What a copy would do. */
export type CopyPlan = {
  dryRun: true;
  key: string;
  environment: string;
  to: string;
  outcome: 'create' | 'overwrite' | 'refused' | 'unchanged';
  differences: Difference[];
  /** Why the copy would be refused whatever `overwrite` says. */
  problems?: ErrorDetail[];
  warnings?: ErrorDetail[];
};

export const createResource = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  caller: Caller,
  { environment: asked, ...input }: Named,
): Promise<Answered<Documents[Name]>> => {
  const environment = environmentOf(caller, asked);
  const live = parts.registry.find(environment);
  return live.write(view => {
    if (noun.stored(view.snapshot).has(input.key))
      throw existsAlready(noun, input.key, environment);
    const now = parts.clock.now();
    const document = noun.complete(input, firstKept(now));
    noun.requireSound(view, document);
    return planWrite(noun, parts, caller, environment, 'create', now, null, document);
  });
};

export const replaceResource = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  caller: Caller,
  { environment: asked, ifMatch, ...input }: Named & Matched,
): Promise<Answered<Documents[Name]>> =>
  change(
    noun,
    parts,
    caller,
    { environment: asked, key: input.key, ifMatch },
    'replace',
    (_, kept) => noun.complete(input, kept),
  );

export const patchResource = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  caller: Caller,
  { environment: asked, ifMatch, ...patch }: Named & Matched,
): Promise<Answered<Documents[Name]>> =>
  change(
    noun,
    parts,
    caller,
    { environment: asked, key: patch.key, ifMatch },
    'update',
    (current, kept) => noun.patched(current, patch, kept),
  );

const change = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  caller: Caller,
  target: Named & Matched,
  action: 'replace' | 'update',
  make: (current: Documents[Name], kept: ServerFields) => Documents[Name],
): Promise<Answered<Documents[Name]>> => {
  const environment = environmentOf(caller, target.environment);
  const live = parts.registry.find(environment);
  return live.write(view => {
    const current = requireStored(noun, noun.stored(view.snapshot), target.key, environment);
    matched(noun, current, target.ifMatch);
    const now = parts.clock.now();
    const document = make(current.document, nextKept(current.document, now));
    noun.requireChangeable(current.document, document);
    noun.requireSound(view, document);
    return planWrite(noun, parts, caller, environment, action, now, current.document, document);
  });
};

export const deleteResource = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  { registry, clock }: ResourceServices,
  caller: Caller,
  { environment: asked, key, ifMatch }: Named & Matched,
): Promise<void> => {
  const environment = environmentOf(caller, asked);
  const live = registry.find(environment);
  return live.write(view => {
    const current = requireStored(noun, noun.stored(view.snapshot), key, environment);
    matched(noun, current, ifMatch);
    refuseUsed(noun, view, key);
    return {
      writes: noun.writes(new Map([[key, null]])),
      audit: [
        auditDraft(caller, clock.now(), {
          action: `${noun.word}.delete`,
          environment,
          key,
          before: current.document,
          after: null,
        }),
      ],
      result: () => undefined,
    };
  });
};

export const getResource = async <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  { store, registry }: ResourceServices,
  caller: Caller,
  { environment: asked, key }: Named,
): Promise<Answered<Documents[Name]>> => {
  const environment = environmentOf(caller, asked);
  const { ledger } = registry.find(environment).replica;
  const found = await store.get(ledger, noun.collection, key);
  if (found === undefined) await requireLedger(store, ledger);
  return answered(requireFound(noun, found, key, environment));
};

/** Pages through the store in the order of keys; `wanted` picks. A cursor is the last key looked at. */
export const listResources = async <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  { store, registry }: ResourceServices,
  caller: Caller,
  { environment: asked, limit, cursor, ...filter }: ListQuery,
  wanted: (document: Documents[Name]) => boolean,
): Promise<Page<Documents[Name]>> => {
  const environment = environmentOf(caller, asked);
  const { ledger } = registry.find(environment).replica;
  const cursors = cursorsFor(ledger.id, [noun.collection, filter]);
  const items: Documents[Name][] = [];
  let after = cursors.read(cursor);
  for (;;) {
    const page = await store.page(ledger, noun.collection, { after, limit: PAGE });
    for (const { document } of page) {
      if (wanted(document)) {
        const last = items.at(-1);
        if (items.length === limit && last !== undefined)
          return { items, nextCursor: cursors.write(last.key) };
        items.push(document);
      }
      after = document.key;
    }
    if (page.length < PAGE) {
      if (after === undefined) await requireLedger(store, ledger);
      return { items, nextCursor: null };
    }
  }
};

const PAGE = 500;

/** SnapshotFiles a document as it is into another environment, or says what that would change there. */
export const copyResource = async <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  caller: Caller,
  { environment: asked, key, to, overwrite = false, dryRun = false }: CopyInput,
): Promise<Answered<Documents[Name]> | CopyPlan> => {
  const from = environmentOf(caller, asked);
  const target = environmentOf(caller, to);
  if (from === target)
    throw new PennonError('BAD_REQUEST', '"to" must be another environment', {
      details: [{ path: 'to', message: 'must be another environment' }],
    });
  const { replica } = parts.registry.find(from);
  await replica.refresh();
  const source = requireStored(noun, noun.stored(replica.current()), key, from);
  const live = parts.registry.find(target);
  const prepare = (snapshot: Snapshot<'flagSet'>) => {
    const current = noun.stored(snapshot).get(key)?.document ?? null;
    const now = parts.clock.now();
    const kept = current === null ? firstKept(now) : nextKept(current, now);
    const document: Documents[Name] = { ...source.document, ...kept };
    return { current, now, document };
  };
  if (dryRun) {
    const view = live.view();
    const { current, document } = prepare(view.snapshot);
    const copy = { key, environment: from, to: target, overwrite, view };
    return planCopy(noun, parts, copy, current, document);
  }
  return live.write(view => {
    const { current, now, document } = prepare(view.snapshot);
    if (current !== null && !overwrite)
      throw existsAlready(noun, key, target, 'set "overwrite" to replace it');
    if (current !== null) noun.requireChangeable(current, document);
    noun.requireSound(view, document);
    return planWrite(noun, parts, caller, target, 'copy', now, current, document);
  });
};

const planCopy = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  copy: { key: string; environment: string; to: string; overwrite: boolean; view: Base },
  current: Documents[Name] | null,
  document: Documents[Name],
): CopyPlan => {
  const problems = problemsOf(() => {
    if (current !== null) noun.requireChangeable(current, document);
    noun.requireSound(copy.view, document);
  });
  const found = differences(current, document, Object.keys(KEPT));
  const { key, environment, to } = copy;
  return {
    dryRun: true,
    key,
    environment,
    to,
    outcome:
      problems.length > 0
        ? 'refused'
        : outcomeOf(current !== null, found.length > 0, copy.overwrite),
    differences: found,
    ...(problems.length === 0 ? {} : { problems }),
    ...withWarnings(noun.warnings(document, namesakes(noun, parts, to, key))),
  };
};

const outcomeOf = (exists: boolean, differs: boolean, overwrite: boolean): CopyPlan['outcome'] => {
  if (!exists) return 'create';
  if (!overwrite) return 'refused';
  return differs ? 'overwrite' : 'unchanged';
};

/** What a check refuses, as data. */
const problemsOf = (check: () => void): ErrorDetail[] => {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof PennonError) return [...(error.extra.details ?? [])];
    throw error;
  }
};

const KEPT = { version: true, createdAt: true, updatedAt: true } as const satisfies Record<
  keyof ServerFields,
  true
>;

const firstKept = (now: number): ServerFields => ({
  version: 1,
  createdAt: formatInstant(now),
  updatedAt: formatInstant(now),
});

/** `updatedAt` rises with every write, even where the clock does not. */
const nextKept = (current: ServerFields, now: number): ServerFields => ({
  version: current.version + 1,
  createdAt: current.createdAt,
  updatedAt: formatInstant(Math.max(now, Date.parse(current.updatedAt) + 1)),
});

const planWrite = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  parts: ResourceServices,
  caller: Caller,
  environment: string,
  action: 'create' | 'replace' | 'update' | 'copy',
  now: number,
  before: Documents[Name] | null,
  document: Documents[Name],
) => ({
  writes: noun.writes(new Map([[document.key, document]])),
  audit: [
    auditDraft(caller, now, {
      action: `${noun.word}.${action}`,
      environment,
      key: document.key,
      before,
      after: document,
    }),
  ],
  result: (changeId: string) => ({
    ...answered({ document, changeId }),
    ...withWarnings(noun.warnings(document, namesakes(noun, parts, environment, document.key))),
  }),
});

const answered = <Document>({ document, changeId }: Stored<Document>): Answered<Document> => ({
  ...document,
  etag: entityTag(changeId),
});

const withWarnings = (warnings: readonly ErrorDetail[]): { warnings?: ErrorDetail[] } =>
  warnings.length === 0 ? {} : { warnings: [...warnings] };

const namesakes = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  { registry }: ResourceServices,
  environment: string,
  key: string,
): ReadonlyMap<string, Documents[Name]> =>
  new Map(
    registry.all().flatMap(live => {
      const found = noun.stored(live.replica.current()).get(key);
      return live.environment === environment || found === undefined
        ? []
        : [[live.environment, found.document] as const];
    }),
  );

const matched = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  current: Stored<Documents[Name]>,
  ifMatch: string | undefined,
): void =>
  requireMatch(ifMatch, {
    etag: entityTag(current.changeId),
    version: current.document.version,
    what: `${noun.word} "${current.document.key}"`,
  });

const requireStored = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  stored: ReadonlyMap<string, Stored<Documents[Name]>>,
  key: string,
  environment: string,
): Stored<Documents[Name]> => requireFound(noun, stored.get(key), key, environment);

const requireFound = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  found: Stored<Documents[Name]> | undefined,
  key: string,
  environment: string,
): Stored<Documents[Name]> => {
  if (found !== undefined) return found;
  throw new PennonError(
    'NOT_FOUND',
    `there is no ${noun.word} "${key}" in environment "${environment}"`,
  );
};

const existsAlready = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  key: string,
  environment: string,
  remedy = 'use PUT or PATCH to change it',
): PennonError =>
  new PennonError(
    'CONFLICT',
    `${noun.word} "${key}" exists already in environment "${environment}": ${remedy}`,
  );

const refuseUsed = <Name extends 'flags' | 'segments'>(
  noun: ResourceType<Name>,
  base: Base,
  key: string,
): void => {
  const users = noun.usedBy(base, key);
  if (users.length === 0) return;
  const named = users.map(user => `"${user}"`).join(', ');
  throw new PennonError(
    'CONFLICT',
    `${noun.word} "${key}" is used by ${users.length === 1 ? 'flag' : 'flags'} ${named}: change them first`,
    {
      details: users.map(user => ({
        path: `flags.${user}`,
        message: `depends on ${noun.word} "${key}"`,
      })),
    },
  );
};
