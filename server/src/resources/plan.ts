import type { ErrorDetail } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import type { Documents, Snapshot, Stored } from '../store/store.ts';
import { withEtag, type WithEtag } from './read.ts';
import type {
  ResourceName,
  ResourceServices,
  ResourceType,
  ServerFields,
} from './resource-type.ts';

/** A document after a write: with its new entity tag, and warnings if there are any. */
export type Written<Document> = WithEtag<Document> & { warnings?: ErrorDetail[] | undefined };

/** Who writes where and when, for the audit log. */
export type Write = {
  readonly caller: Caller;
  readonly action: 'create' | 'replace' | 'update' | 'copy' | 'delete';
  readonly environment: string;
  readonly at: number;
};

/** Plans commits: what to write, the audit entry, and the result once it is committed. */
export const createPlanner = <Name extends ResourceName>(
  type: ResourceType<Name>,
  { registry }: Pick<ResourceServices, 'registry'>,
) => {
  type Document = Documents[Name];

  const recordsOf = ({ records }: Snapshot<'flagSet'>): ReadonlyMap<string, Stored<Document>> =>
    records[type.collection];

  const warningsOf = (
    document: Document,
    environment: string,
  ): { warnings?: ErrorDetail[] | undefined } => {
    const elsewhere = registry.all().flatMap(live => {
      const found = recordsOf(live.replica.current()).get(document.key);
      return live.environment === environment || found === undefined
        ? []
        : [[live.environment, found.document] as const];
    });
    const warnings = type.warnings(document, new Map(elsewhere));
    return warnings.length === 0 ? {} : { warnings: [...warnings] };
  };

  const auditOf = (
    { caller, at, action, environment }: Write,
    change: { key: string; before: Document | null; after: Document | null },
  ) => auditDraft(caller, at, { action: `${type.kind}.${action}`, environment, ...change });

  /** Stores `document` in place of `current`. */
  const planPut = (write: Write, document: Document, current: Document | null) => ({
    writes: type.writes(new Map([[document.key, document]])),
    audit: [auditOf(write, { key: document.key, before: current, after: document })],
    result: (changeId: string): Written<Document> => ({
      ...withEtag({ document, changeId }),
      ...warningsOf(document, write.environment),
    }),
  });

  const planRemove = (write: Write, current: Document) => ({
    writes: type.writes(new Map([[current.key, null]])),
    audit: [auditOf(write, { key: current.key, before: current, after: null })],
    result: () => undefined,
  });

  return { recordsOf, warningsOf, planPut, planRemove };
};

export type Planner<Name extends ResourceName> = ReturnType<typeof createPlanner<Name>>;

/** `updatedAt` increases with every write, even if the clock does not. */
export const serverFieldsAfter = (current: ServerFields | null, now: number): ServerFields => {
  const at = formatInstant(now);
  if (current === null) return { version: 1, createdAt: at, updatedAt: at };
  return {
    version: current.version + 1,
    createdAt: current.createdAt,
    updatedAt: formatInstant(Math.max(now, Date.parse(current.updatedAt) + 1)),
  };
};
