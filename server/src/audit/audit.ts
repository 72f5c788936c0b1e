import type { AuditAction, AuditEntry, JsonValue } from '@pennon/schema';
import { ALL_ENVIRONMENTS, Json } from '@pennon/schema';

import { instant } from '../clock.ts';
import type { Registry } from '../environments/registry.ts';
import type { Caller } from '../keys/caller.ts';
import { actorOf, environmentOf } from '../keys/caller.ts';
import type { Page, PageQuery } from '../page.ts';
import { cursorsFor } from '../page.ts';
import { cursorSecret } from '../replica/cursor-secret.ts';
import type { Replica } from '../replica/replica.ts';
import type { AuditDraft, Ledger, Store } from '../store/store.ts';
import { CONTROL } from '../store/store.ts';

const KINDS = ['flag', 'segment', 'environment', 'key'] as const;

const kindOf = (action: AuditAction): AuditEntry['kind'] =>
  KINDS.find(kind => action.startsWith(`${kind}.`)) ?? 'flag';

/** What the audit log keeps of a change. `before` and `after` are whole documents, null for none. */
export const auditDraft = (
  caller: Pick<Caller, 'keyId' | 'name' | 'onBehalfOf'>,
  at: number,
  action: AuditAction,
  environment: string,
  key: string,
  before: object | null,
  after: object | null,
): AuditDraft => ({
  at: instant(at),
  actor: actorOf(caller),
  action,
  environment,
  kind: kindOf(action),
  key,
  before: json(before),
  after: json(after),
});

/** A document as plain JSON: what is undefined is left out. */
const json = (document: object | null): JsonValue =>
  Json.parse(JSON.parse(JSON.stringify(document)));

export type AuditParts = {
  readonly store: Store;
  readonly registry: Registry;
  readonly control: Replica<'control'>;
};

export type AuditInput = PageQuery & {
  readonly environment?: string | undefined;
  readonly flag?: string | undefined;
  readonly segment?: string | undefined;
  readonly actor?: string | undefined;
  readonly action?: AuditAction | undefined;
  readonly from?: string | undefined;
  readonly until?: string | undefined;
};

/** The audit log of one environment, or with `*` that of environments and keys; newest first. */
export const listAudit = async (
  { store, registry, control }: AuditParts,
  caller: Caller,
  { environment: asked, limit, cursor, ...filter }: AuditInput,
): Promise<Page<AuditEntry>> => {
  const environment = environmentOf(caller, asked);
  const ledger: Ledger =
    environment === ALL_ENVIRONMENTS ? CONTROL : registry.find(environment).replica.ledger;
  const secret = ledger === CONTROL ? cursorSecret(control) : ledger.id;
  const cursors = cursorsFor(secret, ['audit', filter]);
  const found = await store.audit(ledger, {
    ...queryOf(filter),
    limit: limit + 1,
    before: cursors.read(cursor),
  });
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const more = found.length > limit && last !== undefined;
  return { items, nextCursor: more ? cursors.write(last.id) : null };
};

const queryOf = ({
  flag,
  segment,
  actor,
  action,
  from,
  until,
}: Omit<AuditInput, keyof PageQuery>) => ({
  ...(flag === undefined ? {} : { kind: 'flag' as const, key: flag }),
  ...(segment === undefined ? {} : { kind: 'segment' as const, key: segment }),
  actor,
  action,
  from: from === undefined ? undefined : Date.parse(from),
  until: until === undefined ? undefined : Date.parse(until),
});
