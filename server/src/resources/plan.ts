import type { ErrorDetail } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import type { WritePlan } from '../replication/writer.ts';
import type { Documents, Snapshot, Stored } from '../store/store.ts';
import { withEtag, type WithEtag } from './read.ts';
import type { ResourceContext, ResourceName, ResourceType, ServerFields } from './resource-type.ts';

/** A document after a write: with its new entity tag, and warnings if there are any. */
export type Written<Document> = WithEtag<Document> & Warnings;

type Warnings = { warnings?: ErrorDetail[] | undefined };

/** Who writes where and when, for the audit log. */
export type Write = {
  readonly caller: Caller;
  readonly action: 'create' | 'replace' | 'update' | 'copy' | 'delete';
  readonly environment: string;
  /** In milliseconds since 1970. */
  readonly at: number;
};

/** Returns the stored documents of a resource type. */
export const recordsOf = <Name extends ResourceName>(
  { collection }: ResourceType<Name>,
  { records }: Snapshot<'flagSet'>,
): ReadonlyMap<string, Stored<Documents[Name]>> => records[collection];

/** Returns the warnings about a document in this environment, compared with the other environments. */
export const warningsOf = <Name extends ResourceName>(
  { type, registry }: ResourceContext<Name>,
  document: Documents[Name],
  environment: string,
): Warnings => {
  const elsewhere = registry.all().flatMap(live => {
    const found = recordsOf(type, live.replica.current()).get(document.key);
    return live.environment === environment || found === undefined
      ? []
      : [[live.environment, found.document] as const];
  });
  const warnings = type.warnings(document, new Map(elsewhere));
  return warnings.length === 0 ? {} : { warnings: [...warnings] };
};

/** Plans a commit that stores `document` in place of `current`. */
export const planPut = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  write: Write,
  document: Documents[Name],
  current: Documents[Name] | null,
): WritePlan<'flagSet', Written<Documents[Name]>> => ({
  writes: context.type.writes(new Map([[document.key, document]])),
  audit: [auditOf(context.type, write, { key: document.key, before: current, after: document })],
  result: changeId => writtenOf(context, { document, changeId }, write.environment),
});

/** Plans a commit that deletes the current document. */
export const planDelete = <Name extends ResourceName>(
  { type }: ResourceContext<Name>,
  write: Write,
  current: Documents[Name],
): WritePlan<'flagSet', void> => ({
  writes: type.writes(new Map([[current.key, null]])),
  audit: [auditOf(type, write, { key: current.key, before: current, after: null })],
  result: () => undefined,
});

/** Plans to commit nothing, because the stored document is already as it should be. */
export const planNothing = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  stored: Stored<Documents[Name]>,
  environment: string,
): WritePlan<'flagSet', Written<Documents[Name]>> => ({
  writes: {},
  audit: [],
  result: () => writtenOf(context, stored, environment),
});

const writtenOf = <Name extends ResourceName>(
  context: ResourceContext<Name>,
  stored: Stored<Documents[Name]>,
  environment: string,
): Written<Documents[Name]> => ({
  ...withEtag(stored),
  ...warningsOf(context, stored.document, environment),
});

const auditOf = (
  { kind }: Pick<ResourceType, 'kind'>,
  { caller, at, action, environment }: Write,
  change: { key: string; before: object | null; after: object | null },
) => auditDraft(caller, at, { action: `${kind}.${action}`, environment, ...change });

/** Returns the next server fields. `updatedAt` increases with every write, even if the clock does not. */
export const serverFieldsAfter = (current: ServerFields | null, now: number): ServerFields => {
  const instant = formatInstant(now);
  if (current === null) return { version: 1, createdAt: instant, updatedAt: instant };
  return {
    version: current.version + 1,
    createdAt: current.createdAt,
    updatedAt: formatInstant(Math.max(now, Date.parse(current.updatedAt) + 1)),
  };
};
