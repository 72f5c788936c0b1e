import { useQuery } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import type { SignInMethods } from '../api/sessions.ts';
import { t } from '../i18n/i18n.ts';

/** Returns how people can sign in, once that is known. */
export const useSignInMethods = ({ sessions }: Api): SignInMethods | undefined =>
  useQuery({ queryKey: ['sign-in-methods'], queryFn: sessions.methods }).data;

type ProviderButtonProps = {
  readonly api: Api;
  /** The name of the provider. */
  readonly name: string;
  /** The path of the page that opens after signing in. */
  readonly to: string;
};

/** Leads to the page of the provider. */
export const ProviderButton = ({ api, name, to }: ProviderButtonProps) => (
  <button type="button" className="button" onClick={() => api.sessions.signInWithProvider(to)}>
    {t('signIn.provider', { name })}
  </button>
);

/** What is between two ways to sign in. */
export const Or = () => <p className="or">{t('signIn.or')}</p>;
