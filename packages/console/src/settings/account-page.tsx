import { useQuery } from '@tanstack/react-query';
import { useId, useState, type ChangeEvent } from 'react';

import { EVERYWHERE, ROLES, type Session } from '../api/sessions.ts';
import { describeGrants } from '../app/grants.ts';
import { THEMES } from '../app/preferences.ts';
import { changePreferences, usePreferences } from '../app/use-preferences.ts';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { LANGUAGE_NAMES, SHOWN_LANGUAGES, t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { KeyItem, RevokeKeyDialog } from './keys-page.tsx';
import { NewKeyDialog } from './new-key-dialog.tsx';
import {
  environmentsOptions,
  sessionsOptions,
  tokensOptions,
  type ApiKey,
  type OpenSession,
} from './queries.ts';
import { useSettings } from './use-settings.ts';

/** What a person can change about their own account. */
export const AccountPage = () => {
  const { session } = useSettings();
  return (
    <>
      <p>
        {t('account.signedInAs', { name: session.name, roles: describeGrants(session.grants) })}
      </p>
      <PreferencesSection />
      {session.kind === 'person' ? (
        <>
          <PasswordSection />
          <TokensSection />
        </>
      ) : (
        <p className="hint note">{t('account.isKey')}</p>
      )}
      <SessionsSection />
    </>
  );
};

const PreferencesSection = () => {
  const { theme, language, shortcuts } = usePreferences();
  return (
    <Section title={t('account.preferences')} hint={t('account.preferencesHint')}>
      <div className="field-columns pair">
        <Choice
          label={t('account.theme')}
          value={theme}
          choices={THEMES.map(each => [each, t(`account.theme.${each}`)])}
          onChange={({ target }) => {
            const chosen = THEMES.find(each => each === target.value);
            if (chosen !== undefined) changePreferences({ theme: chosen });
          }}
        />
        <Choice
          label={t('account.language')}
          value={language}
          choices={SHOWN_LANGUAGES.map(each => [each, LANGUAGE_NAMES[each]])}
          onChange={({ target }) => {
            const chosen = SHOWN_LANGUAGES.find(each => each === target.value);
            if (chosen !== undefined) changePreferences({ language: chosen });
          }}
        />
      </div>
      <label className="check">
        <input
          type="checkbox"
          checked={shortcuts}
          onChange={({ target }) => changePreferences({ shortcuts: target.checked })}
        />
        {t('account.shortcuts')}
      </label>
    </Section>
  );
};

type ChoiceProps = {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly onChange: (event: ChangeEvent<HTMLSelectElement>) => void;
};

const Choice = ({ label, value, choices, onChange }: ChoiceProps) => {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} className="input" value={value} onChange={onChange}>
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
};

const PasswordSection = () => {
  const { api, refresh } = useSettings();
  const [isOpen, setIsOpen] = useState(false);
  const change = async (form: FormData): Promise<void> => {
    await api.procedures.account.changePassword.mutate({
      current: passwordIn(form, 'current'),
      password: passwordIn(form, 'password'),
    });
    await refresh(['sessions']);
  };
  return (
    <Section
      title={t('account.password')}
      hint={t('account.passwordHint')}
      action={
        <ActionButton onClick={() => setIsOpen(true)}>{t('account.changePassword')}</ActionButton>
      }
    >
      <FormDialog
        isOpen={isOpen}
        title={t('account.changePassword')}
        submit={t('settings.save')}
        onSubmit={change}
        onClose={() => setIsOpen(false)}
      >
        <TextField
          name="current"
          label={t('account.currentPassword')}
          type="password"
          autoComplete="current-password"
          isRequired
        />
        <TextField
          name="password"
          label={t('account.newPassword')}
          hint={t('account.newPasswordHint')}
          type="password"
          autoComplete="new-password"
          isRequired
        />
      </FormDialog>
    </Section>
  );
};

/** White space is part of a password. */
const passwordIn = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
};

const TokensSection = () => {
  const { api, session, refresh } = useSettings();
  const tokens = useQuery(tokensOptions(api));
  const { data: environments = [] } = useQuery(environmentsOptions(api));
  const [isCreating, setIsCreating] = useState(false);
  const [revoked, setRevoked] = useState<ApiKey>();
  const isEverywhere = session.grants.some(({ environment }) => environment === EVERYWHERE);
  const keys = environments.map(({ key }) => key);
  return (
    <Section
      title={t('account.tokens')}
      hint={t('account.tokensHint')}
      action={
        <ActionButton onClick={() => setIsCreating(true)}>{t('account.createToken')}</ActionButton>
      }
    >
      <Loaded query={tokens}>
        {all => (
          <ItemList items={all} empty={t('account.noTokens')}>
            {token => <KeyItem key={token.id} apiKey={token} onRevoke={() => setRevoked(token)} />}
          </ItemList>
        )}
      </Loaded>
      <NewKeyDialog
        isOpen={isCreating}
        title={t('account.createToken')}
        roles={ROLES}
        environments={isEverywhere ? [...keys, EVERYWHERE] : keys}
        onCreate={async ({ name, role, environment, expiresAt }) => {
          const input = { name, role, environment, expiresAt };
          const { secret } = await api.procedures.account.createToken.mutate(input);
          await refresh(['tokens'], ['keys']);
          return secret;
        }}
        onClose={() => setIsCreating(false)}
      />
      <RevokeKeyDialog
        apiKey={revoked}
        onRevoke={async id => {
          await api.procedures.account.deleteToken.mutate({ id });
          await refresh(['tokens'], ['keys']);
        }}
        onClose={() => setRevoked(undefined)}
      />
    </Section>
  );
};

const isOwn = ({ isCurrent, person, key }: OpenSession, { id }: Session): boolean =>
  isCurrent || (person ?? key) === id;

/** The sessions of the person, and those of others if they may see them. */
const SessionsSection = () => {
  const { api, session, refresh } = useSettings();
  const sessions = useQuery(sessionsOptions(api));
  const [ended, setEnded] = useState<OpenSession>();
  const others = (sessions.data ?? []).filter(each => !isOwn(each, session));
  return (
    <>
      <Section title={t('account.sessions')}>
        <Loaded query={sessions}>
          {all => (
            <SessionList sessions={all.filter(each => isOwn(each, session))} onEnd={setEnded} />
          )}
        </Loaded>
      </Section>
      {others.length > 0 && (
        <Section title={t('account.otherSessions')}>
          <SessionList sessions={others} onEnd={setEnded} />
        </Section>
      )}
      <FormDialog
        isOpen={ended !== undefined}
        title={t('account.endSessionOf', { name: ended?.name })}
        hint={t('account.endSessionHint')}
        submit={t('account.endSession')}
        isDangerous
        onSubmit={async () => {
          if (ended === undefined) return;
          await api.procedures.sessions.delete.mutate({ id: ended.id });
          await refresh(['sessions']);
        }}
        onClose={() => setEnded(undefined)}
      />
    </>
  );
};

type SessionListProps = {
  readonly sessions: readonly OpenSession[];
  readonly onEnd: (session: OpenSession) => void;
};

const SessionList = ({ sessions, onEnd }: SessionListProps) => (
  <ItemList items={sessions} empty="">
    {each => (
      <ListItem
        key={each.id}
        title={<bdi>{each.isCurrent ? t('account.thisSession') : each.name}</bdi>}
        about={[
          t(`account.via.${each.via}`),
          t('account.sessionTimes', {
            from: formatTime(each.createdAt),
            until: formatTime(each.expiresAt),
          }),
        ]}
      >
        {!each.isCurrent && (
          <ActionButton
            label={t('account.endSessionOf', { name: each.name })}
            onClick={() => onEnd(each)}
          >
            {t('account.endSession')}
          </ActionButton>
        )}
      </ListItem>
    )}
  </ItemList>
);
