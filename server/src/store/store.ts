import type { PersistentMap } from '@pennon/engine/persistent-map';
import type {
  ApiKey,
  AuditAction,
  AuditEntry,
  Environment,
  Experiment,
  ExternalStatistics,
  Flag,
  Group,
  Invitation,
  Layer,
  Metric,
  NamedContext,
  Person,
  Ramp,
  Results,
  Segment,
  Session,
} from '@pennon/schema';

import type { ChangeId } from './change-id.ts';
import type { StoreEvents } from './event-store.ts';
import type { UsageStore } from './usage-store.ts';

/**
 * The store port: ledgers of JSON documents, each with a revision, a change feed and an audit log.
 *
 * There is one `control` ledger (environments, API keys, people and sessions), and for each environment a `flagSet`
 * ledger and a `workflow` ledger: what is kept beside the flag set, which no application follows. A commit is atomic
 * within one ledger and never spans two, so data that must change together is in the same ledger. All stores pass
 * the same test suite, `test/store/suite.ts`; `memory.ts` is the shortest implementation and reads as the
 * specification.
 */
export interface Store {
  /** Returns the whole ledger as of its last change, or undefined when the ledger does not exist. */
  read<Kind extends LedgerKind>(ledger: Ledger<Kind>): Promise<Snapshot<Kind> | undefined>;

  /**
   * Returns the id of the ledger's last change, or undefined when the ledger does not exist. Throws `missing` if the
   * ledger has lost documents.
   */
  head(ledger: Ledger): Promise<ChangeId | undefined>;
  /** Throws if other servers may have made changes that this store cannot see yet. Omitted if that cannot be. */
  requirePrimary?(): Promise<void>;

  /** Returns one document, or undefined when it does not exist. */
  get<Name extends Collection>(
    ledger: Ledger,
    collection: Name,
    key: string,
  ): Promise<Stored<Documents[Name]> | undefined>;

  /** Returns up to `limit` versions of a document, newest first, even if the document was deleted. */
  versions<Name extends VersionedCollection>(
    ledger: Ledger,
    collection: Name,
    range: VersionRange,
  ): Promise<Version<Documents[Name]>[]>;

  /**
   * Writes documents, increments the revision, publishes the change and appends to the audit log, all or
   * nothing. Changes nothing, and returns the last change, if that is not `expect`.
   */
  commit<Kind extends LedgerKind>(
    ledger: Ledger<Kind>,
    commit: Commit<Kind>,
  ): Promise<CommitOutcome<Kind>>;

  /** Removes a ledger with everything in it. Does nothing when the ledger does not exist. */
  drop(ledger: Ledger): Promise<void>;

  /**
   * Removes the documents, versions and change feed of a ledger that is no longer used, and keeps its audit
   * log and its last change. Does nothing when the ledger does not exist.
   */
  clear(ledger: Ledger): Promise<void>;

  /**
   * Yields changes as any process commits them, until `signal` aborts. The subscription starts with the
   * call, so every change committed after it is yielded. Changes committed between `after` and the call
   * may be missing, so callers follow first and then read. A gap shows as a `previous` that is not the
   * caller's last id; the caller then reads the whole ledger.
   *
   * Ends, or throws a StoreError, if the feed is lost (the store closes, or the follower is too far
   * behind). The caller then follows again.
   */
  follow<Kind extends LedgerKind>(
    ledger: Ledger<Kind>,
    after: ChangeId,
    signal: AbortSignal,
  ): AsyncIterable<Change<Kind>>;

  /** Finds up to `limit` audit entries that match the query, newest first, without reading what they contain. */
  findAudit(ledger: Ledger, query: AuditQuery): Promise<AuditPosition[]>;

  /**
   * Returns the audit entries with these ids, in the same order. Leaves out entries that do not exist, and the last
   * ones if all together are larger than `AUDIT_BYTES`; at least one is returned.
   */
  auditEntries(ledger: Ledger, ids: readonly string[]): Promise<AuditEntry[]>;

  /**
   * Saves the report of this server, valid for `ttlMs`, and returns all servers whose report is still valid,
   * this one included.
   */
  reportServer(report: ServerReport, ttlMs: number): Promise<FleetMember[]>;

  /** Removes the report of a server, so that others need not wait until it expires. */
  leave(serverId: string): Promise<void>;

  /** Throws a StoreError if the store cannot be written to. */
  ping(): Promise<void>;

  /** Whether a check in the background has found damage. Undefined when the store has no such check. */
  readonly isDamaged?: (() => boolean) | undefined;

  /**
   * How many entries that other programs wrote to the data this process has removed or replaced. Undefined when
   * only this process can write there.
   */
  readonly foreignEntries?: (() => number) | undefined;

  /** How often flags were evaluated. It is beside the ledgers: its failures affect nothing else. */
  readonly usage: UsageStore;

  /** The events of experiments, and what was folded of them. It is beside the ledgers, too. */
  readonly events: StoreEvents;

  /** How to bring back lost data. Undefined when only this process uses the store, because then no copy outlives it. */
  readonly recovery?: Recovery | undefined;

  close(): Promise<void>;
}

/** An environment with the id of its ledger. The id is random, so reusing a name never finds old data. */
export type EnvironmentDocument = Environment & { readonly ledger: string };

/** A deleted environment, which can be restored with its keys until it is purged. */
export type DeletedEnvironment = {
  readonly environment: EnvironmentDocument;
  /** Empty once purged. */
  readonly keys: readonly KeyDocument[];
  readonly deletedAt: string;
  /** From then on it is purged instead of restored. */
  readonly purgeAt: string;
  readonly purgedAt?: string;
  /** Whether the data of its ledger is removed, which happens after `purgedAt` is set. */
  readonly isCleared?: boolean;
};

/** An API key with the SHA-256 of its secret in hexadecimal; the secret itself is never stored. */
export type KeyDocument = ApiKey & { readonly hash: string };

/** The sign-in of a browser. The secret in its cookie is not stored, only its SHA-256 in hexadecimal. */
export type SessionDocument = {
  readonly id: string;
  readonly hash: string;
  /** The key that signed in. One that has another secret since then counts as deleted. */
  readonly key?: Pick<KeyDocument, 'id' | 'hash'>;
  /** The person that signed in, unless a key did. */
  readonly person?: string;
  readonly via: Session['via'];
  readonly createdAt: string;
  readonly expiresAt: string;
};

/** A person, with a password as `people/passwords.ts` hashes it. */
export type PersonDocument = Omit<Person, 'hasPassword' | 'issuer'> & {
  readonly password?: string;
  /** Who they are at the provider of OIDC. */
  readonly subject?: Subject;
};

/** The identity of a person at a provider of OIDC. Neither part is ever given to another person. */
export type Subject = { readonly issuer: string; readonly sub: string };

/** An invitation with the SHA-256 of the secret in its link, in hexadecimal. */
export type InvitationDocument = Invitation & { readonly hash: string };

/**
 * A personal token: a key that is worth at most what its person may do. Tokens are not among the keys, because earlier
 * versions would accept them with their whole role.
 */
export type TokenDocument = KeyDocument & { readonly person: string };

/** A random key that all servers share, in base64url. Nothing outside of the servers receives it. */
export type SecretDocument = { readonly id: string; readonly key: string };

/** Data of an experiment that was computed elsewhere. */
export type DatedStatistics = ExternalStatistics & { readonly asOf: string };

/** What is kept of a run of an experiment, by the id of the run. No application reads it. */
export type RunDocument = {
  readonly run: string;
  readonly experiment: string;
  readonly startedAt: string;
  /** The first looks at which comparisons were decided, `at` in milliseconds since 1970. */
  readonly decided: readonly {
    readonly metric: string;
    readonly variant: string;
    readonly at: number;
  }[];
  /** The results after the end. Once written, they never change. */
  readonly final?: Results | undefined;
  /** The results that the decision was based on. */
  readonly atDecision?: Results | undefined;
  /** The data of an experiment with the source "external". */
  readonly statistics?: DatedStatistics | undefined;
};

export type Documents = {
  environments: EnvironmentDocument;
  keys: KeyDocument;
  /** By the id of their ledger, because several can have had the same key. */
  deletedEnvironments: DeletedEnvironment;
  sessions: SessionDocument;
  people: PersonDocument;
  groups: Group;
  invitations: InvitationDocument;
  tokens: TokenDocument;
  secrets: SecretDocument;
  flags: Flag;
  segments: Segment;
  metrics: Metric;
  experiments: Experiment;
  layers: Layer;
  ramps: Ramp;
  contexts: NamedContext;
  results: RunDocument;
};
export type Collection = keyof Documents;

/** The collections of a flag set whose documents have versions. */
export const VERSIONED_COLLECTIONS = ['flags', 'segments'] as const;
export type VersionedCollection = (typeof VERSIONED_COLLECTIONS)[number];

/** Versions of one document: those with a lower number than `before`. */
export type VersionRange = {
  readonly key: string;
  readonly before?: number | undefined;
  readonly limit: number;
};

/** A document as one commit left it, and who changed it. Its number is the document's `version`. */
export type Version<Document> = Pick<AuditEntry, 'at' | 'actor' | 'action' | 'comment'> & {
  readonly document: Document;
};

/** The collections in each kind of ledger. New ones come last, because earlier versions know only the first ones. */
export const COLLECTIONS = {
  control: [
    'environments',
    'keys',
    'deletedEnvironments',
    'sessions',
    'people',
    'groups',
    'invitations',
    'tokens',
    'secrets',
  ],
  flagSet: ['flags', 'segments', 'metrics', 'experiments', 'layers', 'ramps'],
  workflow: ['contexts', 'results'],
} as const satisfies Record<string, readonly Collection[]>;

export type LedgerKind = keyof typeof COLLECTIONS;
export type CollectionOf<Kind extends LedgerKind> = (typeof COLLECTIONS)[Kind][number];
export type KindOf<Name extends Collection> = {
  [Kind in LedgerKind]: Name extends CollectionOf<Kind> ? Kind : never;
}[LedgerKind];

/** Identifies a ledger. The control ledger's id is `control`; an environment's is random. */
export type Ledger<Kind extends LedgerKind = LedgerKind> = {
  readonly kind: Kind;
  readonly id: string;
};
export const CONTROL_LEDGER: Ledger<'control'> = { kind: 'control', id: 'control' };

/** A document with the id of the last change that wrote it. */
export type Stored<Document> = { readonly document: Document; readonly changeId: ChangeId };

export type Snapshot<Kind extends LedgerKind> = {
  readonly id: ChangeId;
  readonly records: {
    readonly [Name in CollectionOf<Kind>]: PersistentMap<Stored<Documents[Name]>>;
  };
};

/** The documents that a change writes, by collection and key. null deletes a document. */
export type Writes<Kind extends LedgerKind> = {
  readonly [Name in CollectionOf<Kind>]?: ReadonlyMap<string, Documents[Name] | null>;
};

export type Commit<Kind extends LedgerKind> = {
  /** The id that must be the ledger's last change; `none` if the ledger must not exist yet. */
  readonly expect: ChangeId | 'none';
  readonly writes: Writes<Kind>;
  /** The versions that this commit adds. */
  readonly versions?: NewVersions | undefined;
  readonly audit: readonly AuditDraft[];
  /**
   * Replaces all documents with `writes` and starts a new epoch. The revision continues; the audit log and
   * the versions are kept.
   */
  readonly replaceAll?: boolean;
};

export type NewVersions = {
  readonly [Name in VersionedCollection]?: readonly Version<Documents[Name]>[];
};

/** A committed change, as the change feed carries it. */
export type Change<Kind extends LedgerKind> = {
  readonly id: ChangeId;
  readonly previous: ChangeId | 'none';
  readonly writes: Writes<Kind>;
  readonly replaceAll: boolean;
};

export type CommitOutcome<Kind extends LedgerKind> =
  | { readonly committed: true; readonly change: Change<Kind> }
  /** `actual` is the ledger's last change; `none` if the ledger does not exist. */
  | { readonly committed: false; readonly actual: ChangeId | 'none' };

/** An audit entry before the store adds its id and revision. */
export type AuditDraft = Omit<AuditEntry, 'id' | 'revision'>;

/** The position of an entry in the audit log of its ledger. */
export type AuditPosition = Pick<AuditEntry, 'id' | 'at'>;

/** The bytes after which reading audit entries stops, so that it blocks nothing for long. */
export const AUDIT_BYTES = 1_048_576;

export type AuditQuery = {
  readonly limit: number;
  /** Only entries older than the entry with this id. An unknown id matches nothing. */
  readonly before?: string | undefined;
  readonly kind?: AuditEntry['kind'] | undefined;
  readonly key?: string | undefined;
  /** Only for the control ledger, whose entries are small. */
  readonly environment?: string | undefined;
  /** Id or name of the API key that made the change. */
  readonly actor?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  readonly action?: AuditAction | undefined;
  /** Inclusive, in milliseconds since 1970. */
  readonly from?: number | undefined;
  /** Exclusive, in milliseconds since 1970. */
  readonly until?: number | undefined;
};

/** What a server reports about itself to the other servers on the same store. */
export type ServerReport = {
  readonly id: string;
  readonly version: string;
  readonly startedAt: string;
  /** Revision of each environment's flag set in the server's memory. */
  readonly revisions: Readonly<Record<string, number>>;
  readonly streams: number;
  /** How long the server has been without the store; 0 while it follows the store. */
  readonly degradedSeconds: number;
};

/** A running server: its last report, and how old that is. */
export type FleetMember = { readonly report: ServerReport; readonly ageMs: number };

/** Copies of ledgers that servers have in memory or on disk. */
export type Copies = {
  readonly control: Snapshot<'control'> | undefined;
  /** By the id of the ledger. */
  readonly flagSets: ReadonlyMap<string, Snapshot<'flagSet'>>;
};

/** Requests from all servers the copies of an installation that are newer than these, by the id of the ledger. */
export type CopyRequest = {
  readonly id: string;
  readonly installation: string;
  readonly heads: Readonly<Record<string, ChangeId>>;
};

/** What a server has sent in response. Without copies while it is still sending them. */
export type CopyOffer = { readonly server: string; readonly copies: Copies | undefined };

/** What is written with a restored ledger. */
export type RestoredHistory = {
  readonly versions: NewVersions;
  readonly audit: readonly AuditDraft[];
};

/**
 * What servers exchange over a shared store that has lost data. The epoch of the control ledger identifies an
 * installation, because that ledger is created once and its epoch never changes.
 */
export type Recovery = {
  /**
   * If the store has no control ledger, marks it as the store that has lost this installation, so that no
   * server begins with empty data there. Returns the current request for copies.
   */
  guard(installation: string): Promise<CopyRequest | undefined>;
  /** Returns the installation that the store is marked to have lost. */
  lost(): Promise<string | undefined>;
  /** Removes the mark, and what is left of the control ledger, so that it can be created. Does nothing if it exists. */
  forget(): Promise<void>;
  /** Notes whether an operator has removed an installation from the store, to restore another one there. */
  setRemoved(installation: string, isRemoved: boolean): Promise<void>;
  /** Whether an operator has removed the installation. Its servers then follow the one that the store has. */
  wasRemoved(installation: string): Promise<boolean>;
  /** Replaces the current request and its offers. */
  requestCopies(request: CopyRequest): Promise<void>;
  /** Sends copies to the server that has requested them. */
  offerCopies(offer: CopyOffer): Promise<void>;
  /** Returns the offers to the current request. */
  offers(): Promise<CopyOffer[]>;
  /** Removes the current request and its offers. */
  endRequest(): Promise<void>;
  /**
   * Creates a ledger that does not exist, or is damaged, exactly as of a snapshot: with its change ids, so that copies
   * of the same change stay valid. Does nothing if the ledger is intact and has another last change.
   */
  restore<Kind extends LedgerKind>(
    ledger: Ledger<Kind>,
    snapshot: Snapshot<Kind>,
    history: RestoredHistory,
  ): Promise<void>;
};

/** The fleet of a store that only one server can use. */
export const fleetOfOne: Pick<Store, 'reportServer' | 'leave'> = {
  reportServer: async report => [{ report, ageMs: 0 }],
  leave: async () => {},
};

/**
 * Why a store operation failed:
 * - `unavailable`: the store cannot be reached at the moment
 * - `missing`: it can be reached, but does not have the data that must be there
 * - `replaced`: it has the data of another installation
 * - `full`, `readonly`: it does not accept writes
 * - `corrupt`: the data is damaged, or is not Pennon's
 * - `locked`: another process uses it
 * - `newer`: a newer version of Pennon wrote the data, in a format that this version cannot read
 *
 * All but the first end only when an operator acts.
 */
export type StoreErrorCode =
  'unavailable' | 'missing' | 'replaced' | 'full' | 'readonly' | 'corrupt' | 'locked' | 'newer';

export type StoreErrorOptions = ErrorOptions & {
  /** What callers of the API may read in place of the message. By default it depends on the code. */
  readonly clientMessage?: string;
};

/** The message is for operators: it may contain addresses and paths, which callers must not receive. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  readonly clientMessage: string | undefined;

  constructor(code: StoreErrorCode, message: string, options: StoreErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.clientMessage = options.clientMessage;
  }
}

export const storeErrorCode = (error: unknown): StoreErrorCode | undefined =>
  error instanceof StoreError ? error.code : undefined;

/** Throws if the ledger is missing, so lost data is never reported as empty. */
export const requireLedger = async (store: Pick<Store, 'head'>, ledger: Ledger): Promise<void> => {
  if ((await store.head(ledger)) === undefined) throw ledgerNotFound(ledger);
};

export const ledgerNotFound = ({ id }: Ledger): StoreError =>
  new StoreError('missing', `the store has no data for ledger "${id}": it was removed or lost`);

/**
 * Whether the same operation can succeed later on this server: once the store can be reached again, or its
 * data has been restored.
 */
export const isTransient = (error: unknown): boolean =>
  error instanceof StoreError && TRANSIENT.has(error.code);

const TRANSIENT: ReadonlySet<StoreErrorCode> = new Set(['unavailable', 'missing', 'replaced']);
