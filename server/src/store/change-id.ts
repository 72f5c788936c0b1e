import type { Random } from '../random.ts';
import { StoreError } from './store.ts';

/**
 * The id of a change: epoch, revision and nonce, for example `q7zk3v9s0m1x.42.b1xw0c8e`.
 *
 * The epoch is random and new whenever a ledger's data is created or replaced as a whole. The nonce is
 * random for every change: after data loss the same revision can be written again with other content, but
 * never with the same id. All parts are letters and digits, so an id can be used as an ETag, an SSE event
 * id or a header value without escaping.
 */
export type ChangeId = string;

const CHANGE_ID = /^([A-Za-z0-9]{1,32})\.(0|[1-9][0-9]{0,15})\.([A-Za-z0-9]{1,32})$/;

const EPOCH_LENGTH = 12;
const NONCE_LENGTH = 8;

export const newEpoch = (random: Random): string => random(EPOCH_LENGTH);
export const newNonce = (random: Random): string => random(NONCE_LENGTH);

export const formatChangeId = (epoch: string, revision: number, nonce: string): ChangeId =>
  `${epoch}.${revision}.${nonce}`;

/** Returns the parts of an id, or undefined when the text is not a change id. */
export const parseChangeId = (
  id: string,
): { epoch: string; revision: number; nonce: string } | undefined => {
  const [, epoch, revision, nonce] = CHANGE_ID.exec(id) ?? [];
  if (epoch === undefined || revision === undefined || nonce === undefined) return undefined;
  return { epoch, revision: Number(revision), nonce };
};

/** Returns the revision in an id, or 0 if the text is not a change id. */
export const revisionOf = (id: ChangeId): number => parseChangeId(id)?.revision ?? 0;

/** Returns the epoch in an id, or undefined if the text is not a change id. */
export const epochOf = (id: ChangeId): string | undefined => parseChangeId(id)?.epoch;

/** Returns the id of the change after `previous`. The first change of a ledger starts an epoch. */
export const nextChangeId = (
  previous: ChangeId | 'none',
  { epoch, nonce, replaceAll }: { epoch: string; nonce: string; replaceAll: boolean },
): ChangeId => {
  if (previous === 'none') return formatChangeId(epoch, 1, nonce);
  const last = parseChangeId(previous);
  if (last === undefined) throw new StoreError('corrupt', `"${previous}" is not a change id`);
  return formatChangeId(replaceAll ? epoch : last.epoch, last.revision + 1, nonce);
};
