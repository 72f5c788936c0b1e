import type { Clock } from './clock.ts';
import type { Limits, SignInSettings } from './config.ts';
import type { LiveFlagSet } from './flag-set/live-flag-set.ts';
import type { Registry } from './flag-set/registry.ts';
import type { CounterOf } from './evaluation/counter.ts';
import type { LimitPreviews } from './evaluation/preview-limit.ts';
import type { Audience } from './evaluation/audience.ts';
import type { Turns } from './turns.ts';
import type { Caller } from './auth/caller.ts';
import type { BulkEvaluationCache } from './evaluation/bulk-evaluation-cache.ts';
import type { Broadcast } from './streaming/broadcast.ts';
import type { StreamRegistry } from './streaming/stream-registry.ts';
import type { Authenticate } from './auth/authenticate.ts';
import type { AuthenticateSession } from './auth/sessions.ts';
import type { CountRequest } from './auth/rate-limit.ts';
import type { Tickets } from './auth/tickets.ts';
import type { Random } from './random.ts';
import type { OidcProvider } from './oidc/provider.ts';
import type { Passwords } from './people/passwords.ts';
import type { Replica } from './replication/replica.ts';
import type { Fleet } from './status/fleet.ts';
import type { Store } from './store/store.ts';
import type { LastEvaluated } from './flags/last-evaluated.ts';
import type { Usage } from './usage/usage.ts';

/** Everything that a running server consists of. Each use case declares the few services that it needs. */
export type Services = {
  readonly store: Store;
  readonly control: Replica<'control'>;
  readonly registry: Registry;
  readonly authenticate: Authenticate;
  readonly authenticateSession: AuthenticateSession;
  readonly signIn: SignInSettings;
  readonly passwords: Passwords;
  /** Undefined if people cannot sign in with a provider. */
  readonly oidc: OidcProvider | undefined;
  readonly tickets: Tickets;
  readonly countRequest: CountRequest;
  readonly streams: StreamRegistry;
  readonly fleet: Fleet;
  readonly broadcastOf: (live: LiveFlagSet) => Broadcast;
  readonly cache: BulkEvaluationCache;
  readonly counterOf: CounterOf;
  readonly usage: Usage;
  readonly lastEvaluated: LastEvaluated;
  readonly audienceOf: (caller: Caller) => Audience;
  readonly limitPreviews: LimitPreviews;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: Limits;
  /** The path below which everything is served; empty at the root. */
  readonly basePath: string;
};
