import { useQuery } from '@tanstack/react-query';
import { Link, useLocation, useRouteContext } from '@tanstack/react-router';

import type { Api } from '../api/api.ts';
import type { Invitation, Join } from '../api/sessions.ts';
import { describeError } from '../app/pages.tsx';
import { BrandMark } from '../components/icons.tsx';
import { t } from '../i18n/i18n.ts';
import { Or, ProviderButton, useSignInMethods } from './provider-button.tsx';
import { Field, SessionForm } from './session-form.tsx';
import { useStartSession } from './start-session.ts';

const MIN_PASSWORD_LENGTH = 12;
const MAX_PASSWORD_LENGTH = 200;
const MAX_NAME_LENGTH = 100;

/** Uses the link of an invitation: a new person joins, or one who is known sets another password. */
export const JoinPage = () => {
  const { api, basePath } = useRouteContext({ from: '/join' });
  const token = useLocation({ select: ({ hash }) => hash });
  const { data: invitation, error } = useQuery({
    queryKey: ['invitation', token],
    queryFn: () => api.sessions.invitation(token),
    // The page has none any longer while it opens the next one.
    enabled: token !== '',
    retry: false,
  });
  return (
    <main
      className="sign-in"
      aria-busy={token !== '' && invitation === undefined && error === null}
    >
      <h1 className="brand large">
        <BrandMark />
        {typeof invitation?.name === 'string' ? t('join.reset') : t('join.title')}
      </h1>
      <div className="panel">
        {token === '' ? <SignInLink /> : null}
        {error === null ? null : <Unusable error={error} />}
        {invitation === undefined ? null : (
          <UseInvitation api={api} invitation={invitation} token={token} to={`${basePath}flags`} />
        )}
      </div>
    </main>
  );
};

const SignInLink = () => (
  <Link to="/sign-in" className="button">
    {t('signIn.submit')}
  </Link>
);

const Unusable = ({ error }: { readonly error: Error }) => (
  <>
    <p className="error" role="alert">
      {describeError(error)}
    </p>
    <SignInLink />
  </>
);

type UseInvitationProps = {
  readonly api: Api;
  readonly invitation: Invitation;
  readonly token: string;
  readonly to: string;
};

/** The ways in which an invitation can be used: the provider has the same address, or a password is set. */
const UseInvitation = ({ api, invitation, token, to }: UseInvitationProps) => {
  const methods = useSignInMethods(api);
  if (methods === undefined) return null;
  const isNew = invitation.name === null;
  return (
    <>
      {isNew && methods.provider !== null ? (
        <>
          <p className="hint">
            {t('join.providerHint', { name: methods.provider, email: invitation.email })}
          </p>
          <ProviderButton api={api} name={methods.provider} to={to} />
          {methods.passwords ? <Or /> : null}
        </>
      ) : null}
      {methods.passwords ? (
        <JoinForm api={api} invitation={invitation} token={token} to={to} />
      ) : null}
    </>
  );
};

const JoinForm = ({ api, invitation, token, to }: UseInvitationProps) => {
  const joining = useStartSession<Join>({ api, start: api.sessions.join, to });
  const isNew = invitation.name === null;
  return (
    <SessionForm
      isPending={joining.isPending}
      error={joining.error}
      submit={isNew ? t('join.submit') : t('join.submitReset')}
      onSubmit={values =>
        joining.mutate({
          token,
          password: values.get('password') ?? '',
          ...(isNew && { name: values.get('name')?.trim() ?? '' }),
        })
      }
    >
      <Field
        name="email"
        type="email"
        label={t('signIn.email')}
        autoComplete="username"
        defaultValue={invitation.email}
        readOnly
        isInvalid={false}
      />
      {isNew ? (
        <Field
          name="name"
          label={t('join.name')}
          hint={t('join.nameHint')}
          autoComplete="name"
          autoFocus
          maxLength={MAX_NAME_LENGTH}
          isInvalid={joining.isError}
        />
      ) : null}
      <Field
        name="password"
        type="password"
        label={isNew ? t('signIn.password') : t('join.newPassword')}
        hint={t('join.passwordHint')}
        autoComplete="new-password"
        minLength={MIN_PASSWORD_LENGTH}
        maxLength={MAX_PASSWORD_LENGTH}
        isInvalid={joining.isError}
      />
    </SessionForm>
  );
};
