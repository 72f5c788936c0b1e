import type { Evaluation } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';

/**
 * A result as JSON without its closing brace, so that more members can follow. The compiler creates few results,
 * which all evaluations share, so each is serialized once.
 */
export const openTextOf = once((evaluation: Evaluation): string =>
  JSON.stringify(evaluation).slice(0, -1),
);

/** Adds the version to the text of a result, which stays open. */
export const withVersion = (open: string, version: number | undefined): string =>
  version === undefined ? open : `${open},"version":${version}`;

/** Errors have no version: a hidden flag must look like an unknown one. */
export const versionOf = (
  { flagSet: { flags } }: FlagSetView,
  { flagKey, reason }: Evaluation,
): number | undefined => (reason === 'ERROR' ? undefined : flags.get(flagKey)?.version);
