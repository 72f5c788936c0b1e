import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { EVERYWHERE, isAdminSomewhere } from '../api/sessions.ts';
import { describeRole } from '../app/grants.ts';
import { FormDialog } from '../components/form-dialog.tsx';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { NewKeyDialog } from './new-key-dialog.tsx';
import { environmentsOptions, keysOptions, type ApiKey } from './queries.ts';
import { useSettings } from './use-settings.ts';

/** Roles of keys. Most are for applications. */
const KEY_ROLES = ['server', 'client', 'viewer', 'editor', 'admin'] as const;

/** The API keys that the session can manage. */
export const KeysPage = () => {
  const { session } = useSettings();
  return isAdminSomewhere(session) ? (
    <Keys />
  ) : (
    <p className="hint note">{t('settings.needsAdminSomewhere')}</p>
  );
};

const Keys = () => {
  const { api, refresh, reason, reasonIn } = useSettings();
  const keys = useQuery(keysOptions(api));
  const { data: environments = [] } = useQuery(environmentsOptions(api));
  const [isCreating, setIsCreating] = useState(false);
  const [revoked, setRevoked] = useState<ApiKey>();
  const managed = environments.map(({ key }) => key).filter(key => reasonIn(key) === undefined);
  return (
    <Section
      title={t('settings.page.keys')}
      hint={t('keys.hint')}
      action={<ActionButton onClick={() => setIsCreating(true)}>{t('keys.create')}</ActionButton>}
    >
      <Loaded query={keys}>
        {all => (
          <ItemList items={all} empty={t('keys.none')}>
            {key => <KeyItem key={key.id} apiKey={key} onRevoke={() => setRevoked(key)} />}
          </ItemList>
        )}
      </Loaded>
      <NewKeyDialog
        isOpen={isCreating}
        title={t('keys.create')}
        roles={KEY_ROLES}
        environments={reason === undefined ? [...managed, EVERYWHERE] : managed}
        isForApplications
        onCreate={async key => {
          const { secret } = await api.procedures.keys.create.mutate(key);
          await refresh(['keys']);
          return secret;
        }}
        onClose={() => setIsCreating(false)}
      />
      <RevokeKeyDialog
        apiKey={revoked}
        onRevoke={async id => {
          await api.procedures.keys.delete.mutate({ id });
          await refresh(['keys'], ['tokens']);
        }}
        onClose={() => setRevoked(undefined)}
      />
    </Section>
  );
};

type KeyItemProps = { readonly apiKey: ApiKey; readonly onRevoke: () => void };

/** A key or a personal token. */
export const KeyItem = ({ apiKey, onRevoke }: KeyItemProps) => {
  const { id, name, expiresAt, createdAt, person, allowedOrigins, exposeOnEvaluate } = apiKey;
  return (
    <ListItem
      title={<bdi>{name}</bdi>}
      about={[
        describeRole(apiKey),
        person === undefined ? undefined : t('keys.token'),
        t('keys.about', { id, time: formatTime(createdAt) }),
        expiresAt == null ? undefined : t('keys.expires', { time: formatTime(expiresAt) }),
        allowedOrigins?.join(' '),
        exposeOnEvaluate === true ? t('keys.exposesShort') : undefined,
      ]}
    >
      <ActionButton label={t('keys.revokeOne', { name })} onClick={onRevoke}>
        {t('keys.revoke')}
      </ActionButton>
    </ListItem>
  );
};

type RevokeKeyDialogProps = {
  /** The key to revoke. The dialog is closed while there is none. */
  readonly apiKey: ApiKey | undefined;
  readonly onRevoke: (id: string) => Promise<void>;
  readonly onClose: () => void;
};

/** The dialog that confirms that a key or a personal token is revoked. */
export const RevokeKeyDialog = ({ apiKey, onRevoke, onClose }: RevokeKeyDialogProps) => (
  <FormDialog
    isOpen={apiKey !== undefined}
    title={t('keys.revokeOne', { name: apiKey?.name })}
    hint={t('keys.revokeHint')}
    submit={t('keys.revoke')}
    isDangerous
    onSubmit={async () => {
      if (apiKey !== undefined) await onRevoke(apiKey.id);
    }}
    onClose={onClose}
  />
);
