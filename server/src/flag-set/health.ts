import type { Clock } from '../clock.ts';
import type { Outage } from '../replication/outage.ts';
import type { Replica } from '../replication/replica.ts';
import { SOURCE_STALE_MS } from '../replication/source-age.ts';
import type { Store, StoreErrorCode } from '../store/store.ts';
import type { Registry } from './registry.ts';

type Ledgers = { readonly control: Replica<'control'>; readonly registry: Registry };

const outagesOf = ({ control, registry }: Ledgers): readonly Outage[] =>
  [control, registry, ...registry.all().map(({ replica }) => replica)].flatMap(
    each => each.outage() ?? [],
  );

/** Returns the longest current outage of any ledger, or undefined when all of them follow the store. */
export const longestOutage = (ledgers: Ledgers): Outage | undefined =>
  outagesOf(ledgers).toSorted((a, b) => a.since - b.since)[0];

/**
 * Returns for how long the server has not followed its store, in milliseconds; 0 while it follows. A store that is
 * silent is noticed by the age of the data.
 */
export const degradedMs = (ledgers: Ledgers, { monotonic }: Pick<Clock, 'monotonic'>): number => {
  const since = longestOutage(ledgers)?.since;
  if (since !== undefined) return monotonic() - since;
  const { newestMs } = sourceAges(ledgers);
  return newestMs > SOURCE_STALE_MS ? newestMs : 0;
};

/** Returns how long ago the ledgers of this server were last known to be current in the store. */
export const sourceAges = ({ control, registry }: Ledgers) => {
  const ages = [control, ...registry.all().map(({ replica }) => replica)].map(each =>
    each.sourceAgeMs(),
  );
  return { newestMs: Math.min(...ages), oldestMs: Math.max(...ages) };
};

/** The failures of a store that end only when an operator acts, and how. Anyone may read this. */
const PROBLEMS: Readonly<Partial<Record<StoreErrorCode, string>>> = {
  replaced:
    'the store has the data of another installation. This server does not follow it, and serves its own data from memory. ' +
    'To bring that back, send POST /api/v1/restore?overwrite=true with a "*" admin key. ' +
    'To follow the other installation, restart with PENNON_INIT=empty',
  missing:
    'the store has lost data. To bring it back from the copies of the servers, send POST /api/v1/restore with a ' +
    '"*" admin key, or run "pennon restore". To begin with empty data, restart with PENNON_INIT=empty',
  corrupt:
    'data in the store is damaged. The log of the server names it. In Redis, POST /api/v1/restore with a "*" admin key ' +
    'replaces it by the copies of the servers; otherwise make a copy of the data directory, and restore the last backup',
};

/** Returns what an operator must do after this failure, or undefined when waiting is enough. */
export const problemOf = (code: StoreErrorCode | undefined): string | undefined =>
  code && PROBLEMS[code];

/** Returns what an operator must do about the store, or undefined when nothing. */
export const storeProblem = (
  ledgers: Ledgers & { readonly store: Pick<Store, 'isDamaged'> },
): string | undefined => {
  if (ledgers.store.isDamaged?.() === true) return PROBLEMS.corrupt;
  const codes = new Set<string | undefined>(outagesOf(ledgers).map(({ code }) => code));
  return Object.entries(PROBLEMS).find(([code]) => codes.has(code))?.[1];
};
