import { useMutation } from '@tanstack/react-query';
import { useRouteContext, useRouter, useSearch } from '@tanstack/react-router';
import { useId, type FormEvent } from 'react';

import { sessionOptions } from '../api/session-query.ts';
import type { Credentials } from '../api/sessions.ts';
import { describeError } from '../app/pages.tsx';
import { BrandMark } from '../components/icons.tsx';
import { t } from '../i18n/i18n.ts';

/** Signs in, and opens the page that required it. */
export const SignInPage = () => {
  const { api, basePath } = useRouteContext({ from: '/sign-in' });
  const { to } = useSearch({ from: '/sign-in' });
  const router = useRouter();
  const signIn = useMutation({
    mutationFn: async (credentials: Credentials) => {
      await api.sessions.signIn(credentials);
      const session = await api.queries.fetchQuery({ ...sessionOptions(api), staleTime: 0 });
      // The browser ignores a secure cookie on plain HTTP.
      if (session === null) throw new CookieError();
    },
    onSuccess: () => router.history.push(to ?? `${basePath}flags`),
  });
  return (
    <main className="sign-in">
      <h1 className="brand large">
        <BrandMark />
        Pennon
      </h1>
      <SignInForm
        isPending={signIn.isPending}
        error={signIn.error}
        onSubmit={key => signIn.mutate({ key })}
      />
    </main>
  );
};

class CookieError extends Error {}

type SignInFormProps = {
  readonly isPending: boolean;
  readonly error: Error | null;
  readonly onSubmit: (key: string) => void;
};

const SignInForm = ({ isPending, error, onSubmit }: SignInFormProps) => {
  const id = useId();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const key = new FormData(event.currentTarget).get('key');
    if (typeof key === 'string') onSubmit(key.trim());
  };
  return (
    <form className="panel" onSubmit={submit}>
      <label htmlFor={id}>{t('signIn.key')}</label>
      <input
        id={id}
        name="key"
        type="password"
        className="input"
        required
        autoFocus
        autoComplete="current-password"
        spellCheck={false}
        aria-invalid={error !== null}
        aria-describedby={`${id}-hint ${id}-error`}
      />
      <p id={`${id}-hint`} className="hint">
        {t('signIn.keyHint')}
      </p>
      <p id={`${id}-error`} className="error" role="alert">
        {error === null ? '' : messageOf(error)}
      </p>
      <button type="submit" className="button primary" aria-disabled={isPending}>
        {isPending ? t('signIn.pending') : t('signIn.submit')}
      </button>
    </form>
  );
};

const messageOf = (error: Error): string =>
  error instanceof CookieError ? t('signIn.noCookie') : describeError(error);
