import { useMutation } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';

import type { Api } from '../api/api.ts';
import { sessionOptions } from '../api/session-query.ts';
import { describeError } from '../app/pages.tsx';
import { t } from '../i18n/i18n.ts';

class CookieError extends Error {}

type Start<Input> = {
  readonly api: Api;
  /** Sends what starts the session. */
  readonly start: (input: Input) => Promise<void>;
  /** The path of the page that opens then. */
  readonly to: string;
};

/** Starts a session, and opens a page once the browser has kept its cookie. */
export const useStartSession = <Input>({ api, start, to }: Start<Input>) => {
  const router = useRouter();
  return useMutation({
    mutationFn: async (input: Input) => {
      await start(input);
      // Nothing that another person has read is shown.
      api.queries.removeQueries();
      const session = await api.queries.fetchQuery({ ...sessionOptions(api), staleTime: 0 });
      // The browser ignores a secure cookie on plain HTTP.
      if (session === null) throw new CookieError();
    },
    onSuccess: () => router.history.replace(to),
  });
};

/** Returns why a session did not start. */
export const describeStartError = (error: Error): string =>
  error instanceof CookieError ? t('signIn.noCookie') : describeError(error);
