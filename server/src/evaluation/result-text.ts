import { createHash } from 'node:crypto';

import type { Evaluation } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';

/**
 * A result as JSON without its closing brace, so that more members can follow, and a hash of it. The compiler
 * creates few results, which all evaluations share, so each is serialized once.
 */
type ResultText = { readonly open: string; readonly quotedKey: string; readonly digest: string };

const DIGEST_LENGTH = 16;

export const resultText = once((evaluation: Evaluation): ResultText => {
  const open = JSON.stringify(evaluation).slice(0, -1);
  const digest = createHash('sha256').update(open).digest('base64url').slice(0, DIGEST_LENGTH);
  return { open, quotedKey: JSON.stringify(evaluation.flagKey), digest };
});

/** Adds the version to the text of a result, which stays open. */
export const withVersion = (open: string, version: number | undefined): string =>
  version === undefined ? open : `${open},"version":${version}`;

/** Errors have no version: a hidden flag must look like an unknown one. */
export const versionOf = (
  { flagSet: { flags } }: FlagSetView,
  { flagKey, reason }: Evaluation,
): number | undefined => (reason === 'ERROR' ? undefined : flags.get(flagKey)?.version);
