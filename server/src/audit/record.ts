import type { Actor, AuditAction, JsonValue } from '@pennon/schema';
import { AuditKind, Json } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import type { AuditDraft } from '../store/store.ts';

/** One change for the audit log. `before` and `after` are whole documents, or null if there is none. */
export type AuditedChange = {
  readonly action: AuditAction;
  /** One environment, or `*`. */
  readonly environment: string;
  /** The key of the flag, segment or environment, or the id of what has one. */
  readonly key: string;
  /** The environment that the resource was copied from. */
  readonly from?: string | undefined;
  readonly before: object | null;
  readonly after: object | null;
};

/** The actor of changes that the server makes itself, without an API key. */
const SYSTEM_ACTOR: Actor = { kind: 'system', id: 'system', name: 'system' };
export const SYSTEM = { actor: SYSTEM_ACTOR };

/** Returns the audit entry for a change that `caller` makes at `at` (milliseconds since 1970). */
export const auditDraft = (
  caller: Pick<Caller, 'actor' | 'comment'>,
  at: number,
  { action, environment, key, from, before, after }: AuditedChange,
): AuditDraft => ({
  at: formatInstant(at),
  actor: caller.actor,
  action,
  environment,
  kind: kindOf(action),
  key,
  ...(from === undefined ? {} : { from }),
  ...(caller.comment === undefined ? {} : { comment: caller.comment }),
  before: toJson(before),
  after: toJson(after),
});

const kindOf = (action: AuditAction): AuditKind =>
  AuditKind.options.find(kind => action.startsWith(`${kind}.`)) ?? 'flag';

/** Returns a document as plain JSON, without its undefined fields. */
const toJson = (document: object | null): JsonValue =>
  Json.parse(JSON.parse(JSON.stringify(document)));
