import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { describeGrants } from '../app/grants.ts';
import { CheckField, GroupField, TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { keyOf, linesOf, textOf } from '../components/form-values.ts';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { GrantsField, grantsOf } from './grants-field.tsx';
import { environmentsOptions, groupsOptions, peopleOptions, type Group } from './queries.ts';
import { useSettings } from './use-settings.ts';

/** Groups of people with the same roles. */
export const GroupsPage = () => {
  const { reason } = useSettings();
  return reason === undefined ? <Groups /> : <p className="hint note">{reason}</p>;
};

/** A group that is edited, or a new one. */
type Edited = { readonly group: Group | undefined };

const Groups = () => {
  const { api, refresh } = useSettings();
  const groups = useQuery(groupsOptions(api));
  const [edited, setEdited] = useState<Edited>();
  const [removed, setRemoved] = useState<Group>();
  return (
    <Section
      title={t('settings.page.groups')}
      hint={t('groups.hint')}
      action={
        <ActionButton onClick={() => setEdited({ group: undefined })}>
          {t('groups.create')}
        </ActionButton>
      }
    >
      <Loaded query={groups}>
        {all => (
          <ItemList items={all} empty={t('groups.none')}>
            {group => (
              <ListItem
                key={group.key}
                title={<bdi>{group.name}</bdi>}
                about={[
                  t('groups.members', { count: group.members.length }),
                  describeGrants(group.grants),
                  group.claims.join(', '),
                ]}
              >
                <ActionButton
                  label={t('settings.editOne', { name: group.name })}
                  onClick={() => setEdited({ group })}
                >
                  {t('settings.edit')}
                </ActionButton>
                <ActionButton
                  label={t('settings.deleteOne', { name: group.name })}
                  onClick={() => setRemoved(group)}
                >
                  {t('settings.delete')}
                </ActionButton>
              </ListItem>
            )}
          </ItemList>
        )}
      </Loaded>
      <EditGroup edited={edited} onClose={() => setEdited(undefined)} />
      <FormDialog
        isOpen={removed !== undefined}
        title={t('settings.deleteOne', { name: removed?.name })}
        hint={t('groups.deleteHint')}
        submit={t('settings.delete')}
        isDangerous
        onSubmit={async () => {
          if (removed === undefined) return;
          await api.procedures.groups.delete.mutate({ key: removed.key });
          await refresh(['groups']);
        }}
        onClose={() => setRemoved(undefined)}
      />
    </Section>
  );
};

type EditGroupProps = { readonly edited: Edited | undefined; readonly onClose: () => void };

const EditGroup = ({ edited, onClose }: EditGroupProps) => {
  const { api, refresh } = useSettings();
  const { data: environments = [] } = useQuery(environmentsOptions(api));
  const { data: people = [] } = useQuery(peopleOptions(api));
  const group = edited?.group;
  const save = async (form: FormData): Promise<void> => {
    const fields = {
      name: textOf(form, 'name'),
      claims: linesOf(form, 'claims'),
      grants: grantsOf(form),
      members: form.getAll('members').map(String),
    };
    const { create, update } = api.procedures.groups;
    if (group === undefined) await create.mutate({ ...fields, key: keyOf(form) });
    else await update.mutate({ ...fields, key: group.key });
    await refresh(['groups']);
  };
  return (
    <FormDialog
      isOpen={edited !== undefined}
      title={group === undefined ? t('groups.create') : t('settings.editOne', { name: group.name })}
      submit={t(group === undefined ? 'settings.create' : 'settings.save')}
      onSubmit={save}
      onClose={onClose}
    >
      {group === undefined && (
        <TextField name="key" label={t('settings.key')} hint={t('settings.keyHint')} isRequired />
      )}
      <TextField name="name" label={t('field.name')} value={group?.name} isRequired />
      <GroupField name="members" label={t('groups.people')}>
        {people.map(({ id, name, email }) => (
          <CheckField
            key={id}
            name="members"
            value={id}
            label={`${name} (${email})`}
            isChecked={group?.members.includes(id) === true}
          />
        ))}
        {people.length === 0 && <p className="hint">{t('people.none')}</p>}
      </GroupField>
      <GrantsField environments={environments.map(({ key }) => key)} grants={group?.grants ?? []} />
      <TextField
        name="claims"
        label={t('groups.claims')}
        hint={t('groups.claimsHint')}
        value={group?.claims.join('\n')}
        rows={2}
      />
    </FormDialog>
  );
};
