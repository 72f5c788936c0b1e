import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { describeGrants } from '../app/grants.ts';
import { SelectField, TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { choiceOf, textOf } from '../components/form-values.ts';
import { SecretDialog } from '../components/secret-dialog.tsx';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { GrantsField, grantsOf } from './grants-field.tsx';
import { environmentsOptions, peopleOptions, type Person } from './queries.ts';
import { useSettings } from './use-settings.ts';

const STATES = ['active', 'disabled'] as const;

/** The people who can sign in. */
export const PeoplePage = () => {
  const { reason } = useSettings();
  return reason === undefined ? <People /> : <p className="hint note">{reason}</p>;
};

type Task = { readonly kind: 'edit' | 'reset' | 'delete'; readonly person: Person };

const People = () => {
  const { api } = useSettings();
  const people = useQuery(peopleOptions(api));
  const [task, setTask] = useState<Task>();
  return (
    <Section title={t('settings.page.people')} hint={t('people.hint')}>
      <Loaded query={people}>
        {all => (
          <ItemList items={all} empty={t('people.none')}>
            {person => (
              <ListItem
                key={person.id}
                title={<bdi>{person.name}</bdi>}
                about={[
                  person.email,
                  person.state === 'disabled' ? t('people.disabled') : undefined,
                  describeGrants(person.grants),
                  person.issuer,
                ]}
              >
                <ActionButton
                  label={t('settings.editOne', { name: person.name })}
                  onClick={() => setTask({ kind: 'edit', person })}
                >
                  {t('settings.edit')}
                </ActionButton>
                <ActionButton
                  label={t('people.resetOne', { name: person.name })}
                  onClick={() => setTask({ kind: 'reset', person })}
                >
                  {t('people.reset')}
                </ActionButton>
                <ActionButton
                  label={t('settings.deleteOne', { name: person.name })}
                  onClick={() => setTask({ kind: 'delete', person })}
                >
                  {t('settings.delete')}
                </ActionButton>
              </ListItem>
            )}
          </ItemList>
        )}
      </Loaded>
      <EditPerson
        person={task?.kind === 'edit' ? task.person : undefined}
        onClose={() => setTask(undefined)}
      />
      <ResetPassword
        person={task?.kind === 'reset' ? task.person : undefined}
        onClose={() => setTask(undefined)}
      />
      <DeletePerson
        person={task?.kind === 'delete' ? task.person : undefined}
        onClose={() => setTask(undefined)}
      />
    </Section>
  );
};

type PersonDialogProps = { readonly person: Person | undefined; readonly onClose: () => void };

const EditPerson = ({ person, onClose }: PersonDialogProps) => {
  const { api, refresh } = useSettings();
  const { data: environments = [] } = useQuery(environmentsOptions(api));
  const save = async (form: FormData): Promise<void> => {
    if (person === undefined) return;
    await api.procedures.people.update.mutate({
      id: person.id,
      name: textOf(form, 'name'),
      state: choiceOf(form, 'state', STATES),
      grants: grantsOf(form),
    });
    await refresh(['people'], ['sessions']);
  };
  return (
    <FormDialog
      isOpen={person !== undefined}
      title={t('settings.editOne', { name: person?.name })}
      submit={t('settings.save')}
      onSubmit={save}
      onClose={onClose}
    >
      <TextField name="name" label={t('field.name')} value={person?.name} isRequired />
      <SelectField
        name="state"
        label={t('people.state')}
        value={person?.state}
        hint={t('people.stateHint')}
        choices={STATES.map(state => [state, t(`people.state.${state}`)])}
      />
      <GrantsField
        environments={environments.map(({ key }) => key)}
        grants={person?.grants ?? []}
      />
    </FormDialog>
  );
};

const ResetPassword = ({ person, onClose }: PersonDialogProps) => {
  const { api, refresh } = useSettings();
  const [link, setLink] = useState<string>();
  const reset = async (): Promise<void> => {
    if (person === undefined) return;
    const { path } = await api.procedures.invitations.create.mutate({ person: person.id });
    setLink(location.origin + path);
    await refresh(['invitations']);
  };
  return (
    <>
      <FormDialog
        isOpen={person !== undefined}
        title={t('people.resetOne', { name: person?.name })}
        hint={t('people.resetHint')}
        submit={t('people.createLink')}
        onSubmit={reset}
        onClose={onClose}
      />
      <SecretDialog
        secret={person === undefined ? link : undefined}
        title={t('invitations.link')}
        hint={t('invitations.linkHint')}
        onClose={() => setLink(undefined)}
      />
    </>
  );
};

const DeletePerson = ({ person, onClose }: PersonDialogProps) => {
  const { api, refresh } = useSettings();
  const remove = async (): Promise<void> => {
    if (person === undefined) return;
    await api.procedures.people.delete.mutate({ id: person.id });
    await refresh(['people'], ['groups'], ['sessions'], ['keys']);
  };
  return (
    <FormDialog
      isOpen={person !== undefined}
      title={t('settings.deleteOne', { name: person?.name })}
      hint={t('people.deleteHint')}
      submit={t('settings.delete')}
      isDangerous
      onSubmit={remove}
      onClose={onClose}
    />
  );
};
