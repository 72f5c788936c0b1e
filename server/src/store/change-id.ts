/**
 * The id of a change: epoch, revision and nonce, such as `q7zk3v9s0m1x.42.b1xw0c8e`.
 *
 * The epoch is drawn when a ledger's data is created or replaced as a whole, the nonce with every
 * change: after data was lost the same revision can come again with other content, never the same id.
 * Services hold letters and digits only, so an id is at once an ETag, an SSE event id and a header value.
 */
export type ChangeId = string;

const PARTS = /^([A-Za-z0-9]{1,32})\.(0|[1-9][0-9]{0,15})\.([A-Za-z0-9]{1,32})$/;

export const formatChangeId = (epoch: string, revision: number, nonce: string): ChangeId =>
  `${epoch}.${revision}.${nonce}`;

/** The parts of an id, or undefined where the text is no id of ours. */
export const parseChangeId = (
  id: string,
): { epoch: string; revision: number; nonce: string } | undefined => {
  const [, epoch, revision, nonce] = PARTS.exec(id) ?? [];
  if (epoch === undefined || revision === undefined || nonce === undefined) return undefined;
  return { epoch, revision: Number(revision), nonce };
};

/** The revision an id names; 0 for text that is no id of ours. */
export const revisionOf = (id: ChangeId): number => parseChangeId(id)?.revision ?? 0;
