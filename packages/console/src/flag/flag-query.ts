import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { isExplained } from '../api/errors.ts';

/** An error that the server has explained would be the same again. */
const retry = (failures: number, error: unknown): boolean => !isExplained(error) && failures < 2;

/** A flag in one environment. */
export const flagOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['flags', 'get', environment, key] as const,
    queryFn: () => procedures.flags.get.query({ environment, key }),
    retry,
  });

type FlagVersion = {
  readonly environment: string;
  readonly key: string;
  readonly version: number;
};

/** The versions of a flag, newest first, page by page. `version` is the current one, and 0 for a deleted flag. */
export const versionsOptions = ({ procedures }: Api, { environment, key, version }: FlagVersion) =>
  infiniteQueryOptions({
    queryKey: ['flags', 'versions', environment, key, version] as const,
    queryFn: ({ pageParam }) =>
      procedures.flags.listVersions.query({
        environment,
        key,
        ...(pageParam !== '' && { cursor: pageParam }),
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
    placeholderData: keepPreviousData,
    retry,
  });

/** A flag as it was in one version, which never changes. */
export const versionOptions = ({ procedures }: Api, { environment, key, version }: FlagVersion) =>
  queryOptions({
    queryKey: ['flags', 'version', environment, key, version] as const,
    queryFn: async () =>
      (await procedures.flags.getVersion.query({ environment, key, version })).document,
    staleTime: Number.POSITIVE_INFINITY,
    retry,
  });

const MAX_SEGMENTS = 200;

export const segmentsOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['segments', 'list', environment] as const,
    queryFn: () => procedures.segments.list.query({ environment, limit: MAX_SEGMENTS }),
  });
