import type { FeedStanding } from './feed.ts';
import type { State } from './stage.ts';

/** What is known of the flags and of the server at one moment: all that is decided by. */
export type Facts = {
  readonly standing: FeedStanding;
  /** There are flags to decide with, however old. */
  readonly hasFlags: boolean;
  /** Decisions are asked of the server. */
  readonly isRemote: boolean;
  /** And it answers this key, which need not be one that may read the flag set. */
  readonly answersUs: boolean;
  /** The HTTP status of what went wrong last, where there is one. */
  readonly lastStatus: number | undefined;
};

export const stateOf = ({ standing, hasFlags, answersUs }: Facts): State => {
  if (standing === 'current' || (standing === 'refused' && answersUs)) return 'ready';
  return hasFlags ? 'stale' : 'error';
};

/** `stale`: with flags of before. `refused`: never, with this key. `empty`: there are no flags. */
export type Start = 'ready' | 'stale' | 'refused' | 'empty';

/** 401 is for every route; 403 may be for those of the flag set alone, which a remote provider can do without. */
const isRefused = ({ lastStatus, isRemote }: Facts): boolean =>
  lastStatus === 401 || (lastStatus === 403 && !isRemote);

const startWithWhatThereIs = (facts: Facts): Start => {
  if (isRefused(facts)) return 'refused';
  return facts.hasFlags ? 'stale' : 'empty';
};

/** How a provider starts; undefined while that is open. `isLate`: it may not wait any longer. */
export const startOf = (facts: Facts, isLate: boolean): Start | undefined => {
  if (stateOf(facts) === 'ready') return 'ready';
  if (isLate || facts.standing === 'unusable') return startWithWhatThereIs(facts);
  return facts.standing === 'refused' && !facts.isRemote ? 'refused' : undefined;
};
