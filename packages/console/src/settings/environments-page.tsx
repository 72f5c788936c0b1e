import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { CheckField, SelectField, TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { choiceOf, keyOf, numberOrNull, textOf, textOrNull } from '../components/form-values.ts';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { EnvironmentName } from '../flags/environment-name.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { deletedEnvironmentsOptions, environmentsOptions, type Environment } from './queries.ts';
import { useSettings } from './use-settings.ts';

const COLORS = [
  'gray',
  'red',
  'orange',
  'yellow',
  'green',
  'teal',
  'blue',
  'purple',
  'pink',
] as const satisfies readonly NonNullable<Environment['color']>[];

/** What is done in a dialog. */
type Task =
  | { readonly kind: 'create' }
  | { readonly kind: 'edit' | 'delete' | 'restore'; readonly environment: Environment };

/** The environments, and those that can be restored. */
export const EnvironmentsPage = () => {
  const { api, reason, reasonIn } = useSettings();
  const existing = useQuery(environmentsOptions(api));
  const deleted = useQuery(deletedEnvironmentsOptions(api));
  const [task, setTask] = useState<Task>();
  return (
    <>
      <Section
        title={t('settings.page.environments')}
        action={
          <ActionButton reason={reason} onClick={() => setTask({ kind: 'create' })}>
            {t('environments.create')}
          </ActionButton>
        }
      >
        <Loaded query={existing}>
          {environments => (
            <ItemList items={environments} empty={t('environments.none')}>
              {environment => (
                <ListItem
                  key={environment.key}
                  title={<EnvironmentName environment={environment} />}
                  about={aboutOf(environment)}
                >
                  <ActionButton
                    reason={reasonIn(environment.key)}
                    label={t('settings.editOne', { name: environment.key })}
                    onClick={() => setTask({ kind: 'edit', environment })}
                  >
                    {t('settings.edit')}
                  </ActionButton>
                  <ActionButton
                    reason={reason}
                    label={t('settings.deleteOne', { name: environment.key })}
                    onClick={() => setTask({ kind: 'delete', environment })}
                  >
                    {t('settings.delete')}
                  </ActionButton>
                </ListItem>
              )}
            </ItemList>
          )}
        </Loaded>
      </Section>
      {deleted.data !== undefined && deleted.data.length > 0 && (
        <Section title={t('environments.deleted')} hint={t('environments.deletedHint')}>
          <ItemList items={deleted.data} empty="">
            {environment => (
              <ListItem
                key={`${environment.key} ${environment.deletedAt}`}
                title={<EnvironmentName environment={environment} />}
                about={[
                  environment.purgeAt === undefined
                    ? undefined
                    : t('environments.until', { time: formatTime(environment.purgeAt) }),
                ]}
              >
                <ActionButton
                  reason={reason}
                  label={t('settings.restoreOne', { name: environment.key })}
                  onClick={() => setTask({ kind: 'restore', environment })}
                >
                  {t('settings.restore')}
                </ActionButton>
              </ListItem>
            )}
          </ItemList>
        </Section>
      )}
      <EnvironmentDialog task={task} onClose={() => setTask(undefined)} />
    </>
  );
};

const aboutOf = ({ key, name, description, confirm }: Environment): readonly string[] => [
  name == null ? '' : key,
  description ?? '',
  confirm === true ? t('environments.confirms') : '',
];

type EnvironmentDialogProps = {
  readonly task: Task | undefined;
  readonly onClose: () => void;
};

const EnvironmentDialog = ({ task, onClose }: EnvironmentDialogProps) => {
  const { api, refresh } = useSettings();
  const environment = task === undefined || task.kind === 'create' ? undefined : task.environment;
  const name = environment?.key ?? '';
  const kind = task?.kind ?? 'create';
  const write = async (form: FormData): Promise<void> => {
    const { create, update, delete: remove, restore } = api.procedures.environments;
    if (environment === undefined) await create.mutate({ ...shownFields(form), key: keyOf(form) });
    else if (kind === 'edit') await update.mutate({ ...shownFields(form), key: name });
    else if (kind === 'delete')
      await remove.mutate({ key: name, confirm: textOf(form, 'confirm') });
    else await restore.mutate({ key: name, deletedAt: environment.deletedAt });
    await refresh(['environments'], ['keys'], overviewOptions(api).queryKey);
  };
  return (
    <FormDialog
      isOpen={task !== undefined}
      title={TITLES[kind](name)}
      submit={SUBMITS[kind]()}
      isDangerous={kind === 'delete'}
      hint={kind === 'delete' ? t('environments.deleteHint') : undefined}
      onSubmit={write}
      onClose={onClose}
    >
      {kind === 'create' && (
        <TextField name="key" label={t('settings.key')} hint={t('settings.keyHint')} isRequired />
      )}
      {kind === 'delete' && (
        <TextField name="confirm" label={t('environments.confirmKey', { key: name })} isRequired />
      )}
      {(kind === 'create' || kind === 'edit') && <ShownFields environment={environment} />}
    </FormDialog>
  );
};

const TITLES: Readonly<Record<Task['kind'], (name: string) => string>> = {
  create: () => t('environments.create'),
  edit: name => t('settings.editOne', { name }),
  delete: name => t('settings.deleteOne', { name }),
  restore: name => t('settings.restoreOne', { name }),
};

const SUBMITS: Readonly<Record<Task['kind'], () => string>> = {
  create: () => t('settings.create'),
  edit: () => t('settings.save'),
  delete: () => t('settings.delete'),
  restore: () => t('settings.restore'),
};

/** The fields that decide how people see an environment. */
const ShownFields = ({ environment }: { readonly environment: Environment | undefined }) => (
  <>
    <TextField name="name" label={t('field.name')} value={environment?.name ?? ''} />
    <TextField
      name="description"
      label={t('field.description')}
      value={environment?.description ?? ''}
      rows={2}
    />
    <div className="field-columns">
      <SelectField
        name="color"
        label={t('environments.color')}
        value={environment?.color ?? 'gray'}
        choices={COLORS.map(color => [color, t(`color.${color}`)])}
      />
      <TextField
        name="order"
        label={t('environments.order')}
        type="number"
        value={environment?.order?.toString()}
        hint={t('environments.orderHint')}
      />
    </div>
    <CheckField
      name="confirm"
      label={t('environments.confirm')}
      isChecked={environment?.confirm === true}
    />
  </>
);

const shownFields = (form: FormData) => ({
  name: textOrNull(form, 'name'),
  description: textOrNull(form, 'description'),
  color: choiceOf(form, 'color', COLORS) ?? null,
  order: numberOrNull(form, 'order'),
  confirm: form.has('confirm') ? true : null,
});
