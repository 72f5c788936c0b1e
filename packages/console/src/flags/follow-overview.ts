import { queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { withRows, type Overview } from './overview.ts';

export const overviewOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['flags', 'overview'] as const,
    queryFn: (): Promise<Overview> => procedures.flags.overview.query({}),
    // The subscription keeps it current.
    staleTime: Number.POSITIVE_INFINITY,
  });

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** Keeps the overview in the cache current. Returns a function that ends this. */
export const followOverview = (api: Api, onLive: (isLive: boolean) => void): (() => void) => {
  const options = overviewOptions(api);
  let hasEnded = false;
  let failures = 0;
  let stop = (): void => {};

  const follow = (overview: Overview): void => {
    if (hasEnded) return;
    const subscription = api.procedures.flags.watchOverview.subscribe(
      { lastEventId: overview.etag },
      {
        onStarted: () => {
          failures = 0;
          onLive(true);
        },
        onConnectionStateChange: ({ state }) => onLive(state === 'pending'),
        onData: ({ data }) => {
          if (data.event === 'reload') return restart();
          api.queries.setQueryData(
            options.queryKey,
            known => known && { ...withRows(known, data.flags), etag: data.etag },
          );
        },
        onComplete: () => retry(),
        onError: () => retry(),
      },
    );
    stop = () => subscription.unsubscribe();
  };
  const restart = (): void => {
    stop();
    api.queries.fetchQuery({ ...options, staleTime: 0, retry: false }).then(follow, retry);
  };
  const retry = (): void => {
    stop();
    onLive(false);
    if (hasEnded) return;
    const timer = setTimeout(restart, Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS));
    failures += 1;
    stop = () => clearTimeout(timer);
  };

  api.queries.ensureQueryData(options).then(follow, retry);
  return () => {
    hasEnded = true;
    stop();
  };
};
