import { keepPreviousData, useQuery } from '@tanstack/react-query';

import type { ApiOutputs } from '@pennon/client';
import type { Api } from '../api/api.ts';
import { useSettled } from '../app/use-settled.ts';

/** How often a flag was evaluated in each of the last 24 hours. */
export type RecentUsage = ApiOutputs['usage']['recent']['flags'][string];

/** The usage of the flags that are visible, by their keys. */
type RecentUsages = Readonly<Record<string, RecentUsage>>;

const REFRESH_MS = 60_000;
/** A request has at most so many keys. */
const MAX_FLAGS = 100;
const NONE: RecentUsages = {};

/** Returns the usage of each flag of a list of keys, once they have not changed for a moment. */
export const useRecentUsage = (
  { procedures }: Api,
  keys: readonly string[],
): ((key: string) => RecentUsage | undefined) => {
  // Keys have no spaces.
  const visible = useSettled(keys.slice(0, MAX_FLAGS).join(' '));
  const { data } = useQuery({
    queryKey: ['usage', 'recent', visible] as const,
    queryFn: () => procedures.usage.recent.query({ flags: visible.split(' ') }),
    enabled: visible !== '',
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const flags = data?.flags ?? NONE;
  return key => (Object.hasOwn(flags, key) ? flags[key] : undefined);
};
