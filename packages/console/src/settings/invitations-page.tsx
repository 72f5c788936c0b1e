import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { describeGrants } from '../app/grants.ts';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { SecretDialog } from '../components/secret-dialog.tsx';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { GrantsField, grantsOf } from './grants-field.tsx';
import { environmentsOptions, invitationsOptions, type Invitation } from './queries.ts';
import { useSettings } from './use-settings.ts';

/** Invitations that are not used yet. */
export const InvitationsPage = () => {
  const { reason } = useSettings();
  return reason === undefined ? <Invitations /> : <p className="hint note">{reason}</p>;
};

const Invitations = () => {
  const { api, refresh } = useSettings();
  const invitations = useQuery(invitationsOptions(api));
  const [isInviting, setIsInviting] = useState(false);
  const [withdrawn, setWithdrawn] = useState<Invitation>();
  return (
    <Section
      title={t('settings.page.invitations')}
      hint={t('invitations.hint')}
      action={
        <ActionButton onClick={() => setIsInviting(true)}>{t('invitations.create')}</ActionButton>
      }
    >
      <Loaded query={invitations}>
        {all => (
          <ItemList items={all} empty={t('invitations.none')}>
            {invitation => (
              <ListItem
                key={invitation.id}
                title={<bdi>{invitation.email}</bdi>}
                about={[
                  invitation.person === undefined
                    ? describeGrants(invitation.grants)
                    : t('invitations.reset'),
                  t('invitations.by', {
                    name: invitation.by,
                    time: formatTime(invitation.expiresAt),
                  }),
                ]}
              >
                <ActionButton
                  label={t('invitations.withdrawOne', { email: invitation.email })}
                  onClick={() => setWithdrawn(invitation)}
                >
                  {t('invitations.withdraw')}
                </ActionButton>
              </ListItem>
            )}
          </ItemList>
        )}
      </Loaded>
      <Invite isOpen={isInviting} onClose={() => setIsInviting(false)} />
      <FormDialog
        isOpen={withdrawn !== undefined}
        title={t('invitations.withdrawOne', { email: withdrawn?.email })}
        hint={t('invitations.withdrawHint')}
        submit={t('invitations.withdraw')}
        isDangerous
        onSubmit={async () => {
          if (withdrawn === undefined) return;
          await api.procedures.invitations.delete.mutate({ id: withdrawn.id });
          await refresh(['invitations']);
        }}
        onClose={() => setWithdrawn(undefined)}
      />
    </Section>
  );
};

type InviteProps = { readonly isOpen: boolean; readonly onClose: () => void };

const Invite = ({ isOpen, onClose }: InviteProps) => {
  const { api, refresh } = useSettings();
  const { data: environments = [] } = useQuery(environmentsOptions(api));
  const [link, setLink] = useState<string>();
  const invite = async (form: FormData): Promise<void> => {
    const { path } = await api.procedures.invitations.create.mutate({
      email: textOf(form, 'email'),
      grants: grantsOf(form),
    });
    setLink(location.origin + path);
    await refresh(['invitations']);
  };
  return (
    <>
      <FormDialog
        isOpen={isOpen}
        title={t('invitations.create')}
        submit={t('people.createLink')}
        onSubmit={invite}
        onClose={onClose}
      >
        <TextField name="email" label={t('invitations.email')} type="email" isRequired />
        <GrantsField environments={environments.map(({ key }) => key)} grants={[]} />
      </FormDialog>
      <SecretDialog
        secret={isOpen ? undefined : link}
        title={t('invitations.link')}
        hint={t('invitations.linkHint')}
        onClose={() => setLink(undefined)}
      />
    </>
  );
};
