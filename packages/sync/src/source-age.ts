import { syncError } from './errors.ts';
import type { SyncError } from './errors.ts';
import { SOURCE_STALE_MS } from './times.ts';

/** Returns the source age that a server has sent, or undefined if there is none: older servers send none. */
export const sourceAgeIn = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 ? value : undefined;

/** Returns how old the server's own data were when it sent a response. */
export const sourceAgeOf = ({ headers }: Response): number | undefined =>
  sourceAgeIn(Number(headers.get('pennon-source-age-ms') ?? Number.NaN));

/** Whether a server with this source age is cut off from its store. An unknown age counts as current. */
export const isSourceStale = (ageMs: number | undefined): ageMs is number =>
  ageMs !== undefined && ageMs > SOURCE_STALE_MS;

export const staleSourceError = (ageMs: number): SyncError =>
  syncError(
    `the server is cut off from its store, and its data are ${Math.round(ageMs / 1_000)} s old`,
  );
