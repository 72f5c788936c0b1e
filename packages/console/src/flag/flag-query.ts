import { queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { isExplained } from '../api/errors.ts';

/** A flag in one environment. */
export const flagOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['flags', 'get', environment, key] as const,
    queryFn: () => procedures.flags.get.query({ environment, key }),
    retry: (failures, error) => !isExplained(error) && failures < 2,
  });

const MAX_SEGMENTS = 200;

export const segmentsOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['segments', 'list', environment] as const,
    queryFn: () => procedures.segments.list.query({ environment, limit: MAX_SEGMENTS }),
  });
