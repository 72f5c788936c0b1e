import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useEffect } from 'react';

import type { Api } from '../api/api.ts';
import { useVisible } from '../app/use-visible.ts';
import { statusOptions, type RampStatus } from './ramps.ts';

/** Events are counted as often. Without a stream, the status is read as often. */
export const REFRESH_MS = 15_000;
const RETRY_MS = 5_000;

/** Keeps the status of a ramp in the cache current. Returns a function that ends this. */
const followStatus = (api: Api, environment: string, key: string): (() => void) => {
  const { queryKey } = statusOptions(api, environment, key);
  let stop = (): void => {};
  const retry = (): void => {
    stop();
    const timer = setTimeout(follow, RETRY_MS);
    stop = () => clearTimeout(timer);
  };
  const follow = (): void => {
    const subscription = api.procedures.ramps.watch.subscribe(
      { environment, key },
      {
        onData: ({ data }) => void api.queries.setQueryData(queryKey, data),
        onComplete: retry,
        onError: retry,
      },
    );
    stop = () => subscription.unsubscribe();
  };
  follow();
  return () => stop();
};

/** Returns the time by the clock of the server, because that of the browser may be wrong. */
export const serverNow = ({
  data,
  dataUpdatedAt,
}: Pick<UseQueryResult<RampStatus>, 'data' | 'dataUpdatedAt'>): number =>
  data === undefined ? Date.now() : Date.parse(data.asOf) + Date.now() - dataUpdatedAt;

/** Returns how a ramp is doing, which the server sends whenever it changes. */
export const useRampStatus = (
  api: Api,
  environment: string,
  key: string,
): UseQueryResult<RampStatus> => {
  const isVisible = useVisible();
  useEffect(
    () => (isVisible ? followStatus(api, environment, key) : undefined),
    [api, environment, key, isVisible],
  );
  return useQuery({ ...statusOptions(api, environment, key), refetchInterval: REFRESH_MS });
};
