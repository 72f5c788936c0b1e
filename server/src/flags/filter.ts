import type { Flag, FlagType } from '@pennon/schema';

import type { SearchFilter } from '../resources/search.ts';
import { wantedDefinition } from '../resources/search.ts';

export type FlagFilter = SearchFilter & {
  readonly enabled?: boolean | undefined;
  readonly type?: FlagType | undefined;
};

/** Whether a flag is one of those asked for; every filter that is given must hold. */
export const wantedFlag = (filter: FlagFilter): ((flag: Flag) => boolean) => {
  const wanted = wantedDefinition(filter);
  return flag =>
    (filter.enabled === undefined || flag.enabled === filter.enabled) &&
    (filter.type === undefined || flag.type === filter.type) &&
    wanted(flag);
};
