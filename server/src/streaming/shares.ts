import { seesOnlyVisible, type Caller } from '../auth/caller.ts';
import type { Limits } from '../config.ts';
import { PennonError } from '../errors.ts';
import { createAmounts } from '../amounts.ts';

/** Memory of the contexts that all streams together keep. */
const MAX_CONTEXT_BYTES = 67_108_864;

/**
 * What part of all streams, and of the contexts that they keep, client keys may have. These keys are public, so
 * the rest is for other keys.
 */
const CLIENTS_SHARE = 3 / 4;
/** What part one client key may have. */
const KEY_SHARE = 1 / 2;
/** What part one visitor may have with client keys, unless a setting has the number of streams. */
const VISITOR_SHARE = 1 / 4;

const RETRY_AFTER_SECONDS = 5;

/** What a stream takes, and who opened it. */
export type Claim = {
  readonly caller: Pick<Caller, 'grants' | 'actor' | 'visitor'>;
  /** Memory of the context that the stream keeps. */
  readonly contextBytes: number;
};

export type Shares = {
  /** Returns why a stream is refused, SERVICE_UNAVAILABLE, if it would exceed a share. */
  refusal(claim: Claim): PennonError | undefined;
  /** Throws the reason if a stream is refused. */
  take(claim: Claim): void;
  release(claim: Claim): void;
  readonly isFull: () => boolean;
};

/** Shares the streams of a server, so that a visitor leaves room for others, and client keys for servers. */
export const createShares = ({ streams, streamsPerAddress }: Limits): Shares => {
  const open = createAmounts();
  const bytes = createAmounts();
  const shareOf = (part: number) => ({
    streams: Math.max(1, Math.floor(streams * part)),
    bytes: MAX_CONTEXT_BYTES * part,
  });
  const all = { key: 'all', name: 'this server', ...shareOf(1) };
  const visitorShare = { ...shareOf(VISITOR_SHARE) };
  if (streamsPerAddress > 0) visitorShare.streams = streamsPerAddress;

  const holdersOf = ({ caller }: Claim) =>
    seesOnlyVisible(caller)
      ? [
          { key: `visitor ${caller.visitor}`, name: 'this address', ...visitorShare },
          { key: `key ${caller.actor.id}`, name: 'this key', ...shareOf(KEY_SHARE) },
          { key: 'clients', name: 'this server, for client keys,', ...shareOf(CLIENTS_SHARE) },
          all,
        ]
      : [all];
  const add = (claim: Claim, sign: 1 | -1) => {
    for (const { key } of holdersOf(claim)) {
      open.add(key, sign);
      bytes.add(key, sign * claim.contextBytes);
    }
  };

  const refusal = (claim: Claim): PennonError | undefined => {
    for (const { key, name, ...share } of holdersOf(claim)) {
      if (open.of(key) >= share.streams)
        return unavailable(`${name} has ${share.streams} open streams, which is its limit`);
      if (bytes.of(key) + claim.contextBytes > share.bytes)
        return unavailable(`${name} has open streams with ${share.bytes} bytes of contexts`);
    }
    return undefined;
  };

  return {
    refusal,
    take(claim) {
      const reason = refusal(claim);
      if (reason !== undefined) throw reason;
      add(claim, 1);
    },
    release: claim => add(claim, -1),
    isFull: () => open.of(all.key) >= streams,
  };
};

const unavailable = (message: string): PennonError =>
  new PennonError('SERVICE_UNAVAILABLE', message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
