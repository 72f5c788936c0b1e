import { useMutation } from '@tanstack/react-query';
import { useId, useState, type FormEvent } from 'react';

import type { Api } from '../api/api.ts';
import { detailsOf } from '../api/errors.ts';
import { describeError } from '../app/pages.tsx';
import { CancelButton, Dialog } from '../components/dialog.tsx';
import { keyProblem } from '../components/key-rule.ts';
import { t } from '../i18n/i18n.ts';
import { createFlag, FLAG_TYPES, type NewFlag } from './create-flag.ts';
import { EnvironmentName } from './environment-name.tsx';
import type { Environment } from './overview.ts';

type NewFlagDialogProps = {
  readonly api: Api;
  readonly isOpen: boolean;
  /** Those in which the session may create flags. */
  readonly environments: readonly Environment[];
  readonly onCreated: (flag: NewFlag) => void;
  readonly onClose: () => void;
};

/** Creates a flag in some environments. It is disabled until it has been looked at. */
export const NewFlagDialog = (props: NewFlagDialogProps) => (
  <Dialog isOpen={props.isOpen} title={t('newFlag.title')} onClose={props.onClose}>
    <NewFlagForm {...props} />
  </Dialog>
);

const NewFlagForm = ({ api, environments, onCreated, onClose }: NewFlagDialogProps) => {
  const [flag, setFlag] = useState<NewFlag>(() => ({
    key: '',
    name: '',
    type: 'boolean',
    environments: environments.map(({ key }) => key),
  }));
  const change = (changed: Partial<NewFlag>): void => setFlag({ ...flag, ...changed });
  /** An environment that has the flag is not part of another attempt. */
  const leaveOut = (environment: string): void =>
    setFlag(known => ({
      ...known,
      environments: known.environments.filter(key => key !== environment),
    }));
  const { mutate, error, isPending } = useMutation({
    mutationFn: (input: NewFlag) => createFlag(api, input, leaveOut),
    onSuccess: (_, input) => onCreated(input),
  });
  const [isSubmitted, setIsSubmitted] = useState(false);
  const problem = keyProblem(flag.key);
  const isBlocked = problem !== '' || flag.environments.length === 0 || isPending;
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    setIsSubmitted(true);
    if (problem !== '') event.currentTarget.querySelector('input')?.focus();
    if (!isBlocked) mutate(flag);
  };
  // An empty field is not a mistake yet while the form is being filled in.
  const shownProblem = flag.key === '' && !isSubmitted ? '' : problem;
  return (
    <form className="review" onSubmit={submit} noValidate>
      <KeyField
        value={flag.key}
        problems={shownProblem || problemsAt(error, 'key')}
        onChange={key => change({ key })}
      />
      <NameField
        value={flag.name}
        problems={problemsAt(error, 'name')}
        onChange={name => change({ name })}
      />
      <TypeField value={flag.type} onChange={type => change({ type })} />
      <EnvironmentsField
        environments={environments}
        chosen={flag.environments}
        onChange={chosen => change({ environments: chosen })}
      />
      <p className="hint">{t('newFlag.effect')}</p>
      <p className="error" role="alert">
        {error !== null && describeError(error)}
      </p>
      <div className="actions">
        <CancelButton onClick={onClose} />
        <button type="submit" className="button primary" aria-disabled={isBlocked}>
          {t('newFlag.create')}
        </button>
      </div>
    </form>
  );
};

const problemsAt = (error: unknown, path: string): string =>
  detailsOf(error)
    .filter(detail => detail.path === path)
    .map(({ message }) => message)
    .join(', ');

type TextFieldProps = {
  readonly value: string;
  readonly problems: string;
  readonly onChange: (value: string) => void;
};

const KeyField = ({ value, problems, onChange }: TextFieldProps) => {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{t('newFlag.key')}</label>
      <input
        id={id}
        className="input"
        value={value}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        dir="ltr"
        required
        aria-invalid={problems !== ''}
        aria-describedby={`${id}-hint ${id}-problems`}
        onChange={({ target }) => onChange(target.value)}
      />
      <p id={`${id}-hint`} className="hint">
        {t('newFlag.keyHint')}
      </p>
      <p id={`${id}-problems`} className="error" role="alert">
        {problems}
      </p>
    </div>
  );
};

const NameField = ({ value, problems, onChange }: TextFieldProps) => {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{t('newFlag.name')}</label>
      <input
        id={id}
        className="input"
        value={value}
        autoComplete="off"
        aria-invalid={problems !== ''}
        aria-describedby={`${id}-problems`}
        onChange={({ target }) => onChange(target.value)}
      />
      <p id={`${id}-problems`} className="error">
        {problems}
      </p>
    </div>
  );
};

type TypeFieldProps = {
  readonly value: NewFlag['type'];
  readonly onChange: (type: NewFlag['type']) => void;
};

const TypeField = ({ value, onChange }: TypeFieldProps) => {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{t('flags.column.type')}</label>
      <select
        id={id}
        className="input"
        value={value}
        aria-describedby={`${id}-hint`}
        onChange={({ target }) => {
          const type = FLAG_TYPES.find(each => each === target.value);
          if (type !== undefined) onChange(type);
        }}
      >
        {FLAG_TYPES.map(type => (
          <option key={type} value={type}>
            {t(`type.${type}`)}
          </option>
        ))}
      </select>
      <p id={`${id}-hint`} className="hint">
        {t('newFlag.typeHint')}
      </p>
    </div>
  );
};

type EnvironmentsFieldProps = Pick<NewFlagDialogProps, 'environments'> & {
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
};

const EnvironmentsField = ({ environments, chosen, onChange }: EnvironmentsFieldProps) => (
  <fieldset className="choice-list">
    <legend>{t('newFlag.environments')}</legend>
    {environments.map(environment => (
      <label key={environment.key} className="check">
        <input
          type="checkbox"
          checked={chosen.includes(environment.key)}
          onChange={({ target }) =>
            onChange(
              target.checked
                ? [...chosen, environment.key]
                : chosen.filter(key => key !== environment.key),
            )
          }
        />
        <EnvironmentName environment={environment} />
      </label>
    ))}
  </fieldset>
);
