import { queryOptions } from '@tanstack/react-query';

import { SESSION_KEY, type Api } from './api.ts';

/** The session, which is null once a response has shown that it has ended. */
export const sessionOptions = ({ sessions }: Api) =>
  queryOptions({
    queryKey: SESSION_KEY,
    queryFn: sessions.read,
    staleTime: Number.POSITIVE_INFINITY,
  });
