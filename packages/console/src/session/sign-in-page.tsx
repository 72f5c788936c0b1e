import { useRouteContext, useSearch } from '@tanstack/react-router';
import { useState } from 'react';

import type { Api } from '../api/api.ts';
import type { Credentials } from '../api/sessions.ts';
import { BrandMark } from '../components/icons.tsx';
import { t } from '../i18n/i18n.ts';
import { Or, ProviderButton, useSignInMethods } from './provider-button.tsx';
import { Field, SessionForm } from './session-form.tsx';
import { useStartSession } from './start-session.ts';

/** Signs in, and opens the page that required it. */
export const SignInPage = () => {
  const { api, basePath } = useRouteContext({ from: '/sign-in' });
  const { to = `${basePath}flags`, problem } = useSearch({ from: '/sign-in' });
  const methods = useSignInMethods(api);
  return (
    <main className="sign-in">
      <h1 className="brand large">
        <BrandMark />
        Pennon
      </h1>
      <div className="panel">
        {problem === undefined ? null : (
          <p className="error" role="alert">
            {t(`signIn.problem.${problem}`)}
          </p>
        )}
        {methods === undefined || methods.provider === null ? null : (
          <>
            <ProviderButton api={api} name={methods.provider} to={to} />
            <Or />
          </>
        )}
        <CredentialsForm api={api} to={to} passwords={methods?.passwords} />
      </div>
    </main>
  );
};

/** Which credentials this browser signed in with. */
const METHOD = 'pennon-sign-in';

type CredentialsFormProps = {
  readonly api: Api;
  readonly to: string;
  /** Whether people can sign in with passwords, once that is known. */
  readonly passwords: boolean | undefined;
};

/** Signs in with an API key, as the first start requires, or with an e-mail address and a password. */
const CredentialsForm = ({ api, to, passwords }: CredentialsFormProps) => {
  const [prefersPassword, setPrefersPassword] = useState(
    () => localStorage.getItem(METHOD) === 'password',
  );
  const usesPassword = prefersPassword && passwords !== false;
  const signIn = useStartSession<Credentials>({ api, start: api.sessions.signIn, to });
  const choose = (isPassword: boolean): void => {
    localStorage.setItem(METHOD, isPassword ? 'password' : 'key');
    setPrefersPassword(isPassword);
    signIn.reset();
  };
  return (
    <>
      <SessionForm
        key={usesPassword ? 'password' : 'key'}
        isPending={signIn.isPending}
        error={signIn.error}
        submit={t('signIn.submit')}
        onSubmit={values => signIn.mutate(credentialsIn(values))}
      >
        {usesPassword ? (
          <PasswordFields isInvalid={signIn.isError} />
        ) : (
          <KeyField isInvalid={signIn.isError} />
        )}
      </SessionForm>
      {passwords === true ? (
        <button type="button" className="button quiet" onClick={() => choose(!usesPassword)}>
          {usesPassword ? t('signIn.useKey') : t('signIn.usePassword')}
        </button>
      ) : null}
    </>
  );
};

const credentialsIn = (values: ReadonlyMap<string, string>): Credentials => {
  const key = values.get('key');
  return key === undefined
    ? { email: values.get('email') ?? '', password: values.get('password') ?? '' }
    : { key: key.trim() };
};

type FieldsProps = { readonly isInvalid: boolean };

const KeyField = ({ isInvalid }: FieldsProps) => (
  <Field
    name="key"
    type="password"
    label={t('signIn.key')}
    hint={t('signIn.keyHint')}
    autoComplete="current-password"
    autoFocus
    isInvalid={isInvalid}
  />
);

const PasswordFields = ({ isInvalid }: FieldsProps) => (
  <>
    <Field
      name="email"
      type="email"
      label={t('signIn.email')}
      autoComplete="username"
      autoFocus
      isInvalid={isInvalid}
    />
    <Field
      name="password"
      type="password"
      label={t('signIn.password')}
      autoComplete="current-password"
      isInvalid={isInvalid}
    />
  </>
);
