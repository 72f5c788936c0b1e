import { useId, type FormEvent, type InputHTMLAttributes, type ReactNode } from 'react';

import { t } from '../i18n/i18n.ts';
import { describeStartError } from './start-session.ts';

type SessionFormProps = {
  readonly isPending: boolean;
  readonly error: Error | null;
  readonly submit: string;
  /** Receives the values of the fields by their names. */
  readonly onSubmit: (values: ReadonlyMap<string, string>) => void;
  readonly children: ReactNode;
};

/** A form that starts a session. */
export const SessionForm = ({ isPending, error, submit, onSubmit, children }: SessionFormProps) => {
  const send = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (!isPending) onSubmit(valuesOf(new FormData(event.currentTarget)));
  };
  return (
    <form className="fields" onSubmit={send}>
      {children}
      <p className="error" role="alert">
        {error === null ? '' : describeStartError(error)}
      </p>
      <button type="submit" className="button primary" aria-disabled={isPending}>
        {isPending ? t('signIn.pending') : submit}
      </button>
    </form>
  );
};

const valuesOf = (form: FormData): ReadonlyMap<string, string> =>
  new Map(
    [...form].flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as const] : [],
    ),
  );

type FieldProps = Pick<
  InputHTMLAttributes<HTMLInputElement>,
  'type' | 'autoComplete' | 'autoFocus' | 'minLength' | 'maxLength' | 'readOnly' | 'defaultValue'
> & {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly isInvalid: boolean;
};

/** A required field with its label, and a hint if there is one. */
export const Field = ({ label, hint, isInvalid, ...input }: FieldProps) => {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        className="input"
        required
        spellCheck={false}
        aria-invalid={isInvalid}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
      />
      {hint === undefined ? null : (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
    </>
  );
};
