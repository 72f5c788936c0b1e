import { useState } from 'react';

import { EVERYWHERE } from '../api/sessions.ts';
import { CheckField, SelectField, TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { choiceOf, instantOf, linesOf, textOf } from '../components/form-values.ts';
import { SecretDialog } from '../components/secret-dialog.tsx';
import { t } from '../i18n/i18n.ts';

/** What was entered about a new key or token. */
export type NewKey<Role extends string> = {
  readonly name: string;
  readonly role: Role;
  readonly environment: string;
  readonly expiresAt: string | undefined;
  readonly allowedOrigins: string[] | undefined;
  readonly exposeOnEvaluate: true | undefined;
};

type NewKeyDialogProps<Role extends string> = {
  readonly isOpen: boolean;
  readonly title: string;
  readonly roles: readonly [Role, ...(readonly Role[])];
  readonly environments: readonly string[];
  /** Whether it can be for applications, which have more fields. */
  readonly isForApplications?: boolean;
  /** Creates it, and returns its secret. */
  readonly onCreate: (key: NewKey<Role>) => Promise<string>;
  readonly onClose: () => void;
};

/** Creates a key or a token, and shows its secret once. */
export const NewKeyDialog = <Role extends string>(props: NewKeyDialogProps<Role>) => {
  const {
    isOpen,
    title,
    roles,
    environments,
    isForApplications = false,
    onCreate,
    onClose,
  } = props;
  const [secret, setSecret] = useState<string>();
  const create = async (form: FormData): Promise<void> => {
    const origins = linesOf(form, 'allowedOrigins');
    setSecret(
      await onCreate({
        name: textOf(form, 'name'),
        role: choiceOf(form, 'role', roles) ?? roles[0],
        environment: textOf(form, 'environment'),
        expiresAt: instantOf(form, 'expiresAt'),
        allowedOrigins: origins.length === 0 ? undefined : origins,
        exposeOnEvaluate: form.has('exposeOnEvaluate') || undefined,
      }),
    );
  };
  return (
    <>
      <FormDialog
        isOpen={isOpen}
        title={title}
        submit={t('settings.create')}
        onSubmit={create}
        onClose={onClose}
      >
        <TextField name="name" label={t('field.name')} hint={t('keys.nameHint')} isRequired />
        <SelectField name="role" label={t('keys.role')} choices={roles.map(role => [role, role])} />
        <SelectField
          name="environment"
          label={t('flags.environment')}
          choices={environments.map(key => [
            key,
            key === EVERYWHERE ? t('settings.allEnvironments') : key,
          ])}
        />
        <TextField
          name="expiresAt"
          label={t('keys.expiresAt')}
          type="datetime-local"
          hint={t('keys.expiresAtHint')}
        />
        {isForApplications && (
          <>
            <TextField
              name="allowedOrigins"
              label={t('keys.origins')}
              hint={t('keys.originsHint')}
              rows={2}
            />
            <CheckField name="exposeOnEvaluate" label={t('keys.exposes')} isChecked={false} />
            <p className="hint">{t('keys.exposesHint')}</p>
          </>
        )}
      </FormDialog>
      <SecretDialog
        secret={isOpen ? undefined : secret}
        title={t('keys.secret')}
        hint={t('keys.secretHint')}
        onClose={() => setSecret(undefined)}
      />
    </>
  );
};
