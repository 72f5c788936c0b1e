import type { ApiKey, AuditAction, AuditEntry, Environment, Flag, Segment } from '@pennon/schema';

import type { ChangeId } from './change-id.ts';

/**
 * The store port: ledgers of JSON documents, each with a revision, a change feed and an audit log.
 *
 * There is one `control` ledger (environments and API keys), and one ledger for each environment's
 * flag set. What belongs together changes together: a commit is atomic over one ledger, and never
 * spans two. Every store is judged by the one suite in `test/store`.
 */
export interface Store {
  /** Everything in a ledger as of its last change; undefined where there is no such ledger. */
  read<Kind extends LedgerKind>(ledger: Ledger<Kind>): Promise<Snapshot<Kind> | undefined>;

  /** The id of a ledger's last change; undefined where there is no such ledger. */
  head(ledger: Ledger): Promise<ChangeId | undefined>;

  /** One document; undefined where there is none. */
  get<Name extends Collection>(
    ledger: Ledger,
    collection: Name,
    key: string,
  ): Promise<Stored<Documents[Name]> | undefined>;

  /** Documents in the byte order of their keys, those after `after` first, at most `limit`. */
  page<Name extends Collection>(
    ledger: Ledger,
    collection: Name,
    range: { after?: string | undefined; limit: number },
  ): Promise<Stored<Documents[Name]>[]>;

  /**
   * Writes documents, raises the revision, publishes the change and appends to the audit log: all of
   * it or nothing. Refused, with nothing changed, where the ledger has moved on from `expect`.
   */
  commit<Kind extends LedgerKind>(
    ledger: Ledger<Kind>,
    commit: Commit<Kind>,
  ): Promise<CommitOutcome<Kind>>;

  /** Removes a ledger with its change feed and audit log. Removing what is not there is fine. */
  drop(ledger: Ledger): Promise<void>;

  /**
   * Changes as they are committed, by whichever process, until `signal` aborts. The subscription
   * holds from the call on: a change committed after the call is yielded. One committed between `after`
   * and the call need not be: follow first, then read, and have all of them. A change that is skipped
   * shows as a `previous` that the caller does not know: the caller then reads everything anew.
   * Ends, or throws a StoreError, where the feed is lost (the store closes, the follower is too far
   * behind): the caller follows anew.
   */
  follow<Kind extends LedgerKind>(
    ledger: Ledger<Kind>,
    after: ChangeId,
    signal: AbortSignal,
  ): AsyncIterable<Change<Kind>>;

  /** Audit entries, newest first, older than the entry `before`, at most `limit`. */
  audit(ledger: Ledger, query: AuditQuery): Promise<StoredAuditEntry[]>;

  /**
   * Says that this server is alive, which lasts so long, and answers all servers that are, this one
   * among them, with how long ago each said so.
   */
  announce(report: ServerReport, lastsMs: number): Promise<Alive[]>;

  /** Takes that back. */
  depart(id: string): Promise<void>;

  /** Throws a StoreError where the store cannot be written to. */
  ping(): Promise<void>;

  close(): Promise<void>;
}

/** An environment with the id of its ledger: a name that is used again never meets old data. */
export type EnvironmentRecord = Environment & { readonly ledger: string };

/** An API key with the SHA-256 of its secret in hexadecimal; the secret itself is never stored. */
export type KeyRecord = ApiKey & { readonly hash: string };

export type Documents = {
  environments: EnvironmentRecord;
  keys: KeyRecord;
  flags: Flag;
  segments: Segment;
};
export type Collection = keyof Documents;

/** Which collections a kind of ledger holds. The one table of them. */
export const COLLECTIONS = {
  control: ['environments', 'keys'],
  flagSet: ['flags', 'segments'],
} as const satisfies Record<string, readonly Collection[]>;

export type LedgerKind = keyof typeof COLLECTIONS;
export type CollectionOf<Kind extends LedgerKind> = (typeof COLLECTIONS)[Kind][number];
export type KindOf<Name extends Collection> = {
  [Kind in LedgerKind]: Name extends CollectionOf<Kind> ? Kind : never;
}[LedgerKind];

/** Names a ledger. The control ledger's id is `control`; an environment's is random. */
export type Ledger<Kind extends LedgerKind = LedgerKind> = {
  readonly kind: Kind;
  readonly id: string;
};
export const CONTROL_LEDGER: Ledger<'control'> = { kind: 'control', id: 'control' };

/** A document with the id of the change that wrote it last. */
export type Stored<Document> = { readonly document: Document; readonly changeId: ChangeId };

export type Snapshot<Kind extends LedgerKind> = {
  readonly id: ChangeId;
  readonly records: {
    readonly [Name in CollectionOf<Kind>]: ReadonlyMap<string, Stored<Documents[Name]>>;
  };
};

/** What a change writes, by collection and key; null removes. */
export type Writes<Kind extends LedgerKind> = {
  readonly [Name in CollectionOf<Kind>]?: ReadonlyMap<string, Documents[Name] | null>;
};

export type Commit<Kind extends LedgerKind> = {
  /** The last change that the writer knows; `none` where the ledger must not exist yet. */
  readonly expect: ChangeId | 'none';
  readonly writes: Writes<Kind>;
  readonly audit: readonly AuditDraft[];
  /** Begin a new epoch: all documents go, `writes` is all that is; revision and audit log go on. */
  readonly replaceAll?: boolean;
};

/** One committed change, as the feed carries it. */
export type Change<Kind extends LedgerKind> = {
  readonly id: ChangeId;
  readonly previous: ChangeId | 'none';
  readonly writes: Writes<Kind>;
  readonly replaceAll: boolean;
};

export type CommitOutcome<Kind extends LedgerKind> =
  | { readonly committed: true; readonly change: Change<Kind> }
  /** The ledger was at another change; `none` where there is no such ledger. */
  | { readonly committed: false; readonly actual: ChangeId | 'none' };

/** What the writer says of a change; the store adds the entry's id and revision. */
export type AuditDraft = Omit<AuditEntry, 'id' | 'revision'>;
export type StoredAuditEntry = AuditEntry;

export type AuditQuery = {
  readonly limit: number;
  /** The id of an entry: only older ones are wanted. There are none for an id that no entry has. */
  readonly before?: string | undefined;
  readonly kind?: AuditEntry['kind'] | undefined;
  readonly key?: string | undefined;
  /** Id or name of the acting key. */
  readonly actor?: string | undefined;
  readonly action?: AuditAction | undefined;
  /** At or after this formatInstant, and before that one; milliseconds since 1970. */
  readonly from?: number | undefined;
  readonly until?: number | undefined;
};

/** What a server says of itself to the others. */
export type ServerReport = {
  readonly id: string;
  readonly version: string;
  readonly startedAt: string;
  /** Revision of each environment's flag set in its memory. */
  readonly revisions: Readonly<Record<string, number>>;
  readonly streams: number;
  /** How long it has not followed the store; 0 while it does. */
  readonly degradedSeconds: number;
};
export type Alive = { readonly report: ServerReport; readonly ageMs: number };

/** Why a store did not do what was asked. `full` and `readonly` need a person; `unavailable` may pass. */
export type StoreErrorCode = 'unavailable' | 'full' | 'readonly' | 'corrupt' | 'locked' | 'newer';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly trouble: StoreErrorCode;

  constructor(trouble: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.trouble = trouble;
  }
}

/** Refuses to say of data that the store has lost that it is empty. */
export const requireLedger = async (store: Pick<Store, 'head'>, ledger: Ledger): Promise<void> => {
  if ((await store.head(ledger)) === undefined) throw ledgerNotFound(ledger);
};

export const ledgerNotFound = ({ id }: Ledger): StoreError =>
  new StoreError(
    'unavailable',
    `the store no longer has the data of ledger "${id}": it was removed, or the store has lost it`,
  );

/** The store is away, and may come back by itself. */
export const isTransient = (error: unknown): boolean =>
  error instanceof StoreError && error.trouble === 'unavailable';
