import { EVERYWHERE, ROLES, type Grant, type Role } from '../api/sessions.ts';
import { GroupField } from '../components/field.tsx';
import { choiceOf } from '../components/form-values.ts';
import { t } from '../i18n/i18n.ts';

const PREFIX = 'grants:';

type GrantsFieldProps = {
  readonly environments: readonly string[];
  readonly grants: readonly Grant[];
};

/** A role in each environment, or none. */
export const GrantsField = ({ environments, grants }: GrantsFieldProps) => {
  // Those of a deleted environment apply again if it is restored.
  const keys = new Set([
    EVERYWHERE,
    ...environments,
    ...grants.map(({ environment }) => environment),
  ]);
  return (
    <GroupField name="grants" label={t('grants.label')}>
      {[...keys].map(key => (
        <label key={key} className="grant">
          <bdi className="clipped">{key === EVERYWHERE ? t('settings.allEnvironments') : key}</bdi>
          <select
            className="input"
            name={PREFIX + key}
            defaultValue={grants.find(({ environment }) => environment === key)?.role ?? ''}
          >
            <option value="">{t('grants.none')}</option>
            {ROLES.map(role => (
              <option key={role}>{role}</option>
            ))}
          </select>
        </label>
      ))}
    </GroupField>
  );
};

/** Returns the roles in a form. */
export const grantsOf = (form: FormData): { environment: string; role: Role }[] =>
  [...form.keys()]
    .filter(name => name.startsWith(PREFIX))
    .flatMap(name => {
      const role = choiceOf(form, name, ROLES);
      return role === undefined ? [] : [{ environment: name.slice(PREFIX.length), role }];
    });
