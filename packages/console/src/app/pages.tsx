import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';

import { isExplained, statusOf } from '../api/errors.ts';
import { t } from '../i18n/i18n.ts';

export const PendingPage = () => (
  <main className="page" aria-busy="true">
    <p role="status">{t('app.loading')}</p>
  </main>
);

/** Shown inside the shell, with its navigation. */
export const UnknownPage = () => (
  <div className="page">
    <h1>{t('app.notFound')}</h1>
    <p>
      <Link to="/flags">{t('app.toFlags')}</Link>
    </p>
  </div>
);

export const NotFoundPage = () => (
  <main>
    <UnknownPage />
  </main>
);

/** Returns what a person can do about an error. */
export const describeError = (error: unknown): string => {
  if (isExplained(error)) return error.message;
  return statusOf(error) === undefined ? t('app.unreachable') : t('app.serverError');
};

export const ErrorPage = ({ error }: ErrorComponentProps) => {
  const router = useRouter();
  return (
    <main className="page">
      <h1>{t('app.failed')}</h1>
      <p role="alert">{describeError(error)}</p>
      <button type="button" className="button" onClick={() => void router.invalidate()}>
        {t('app.retry')}
      </button>
    </main>
  );
};
