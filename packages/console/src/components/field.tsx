import { createContext, use, useId, type ReactNode } from 'react';

import type { ErrorDetail } from '../api/errors.ts';

/** What the server has refused in the form around a field. */
export const FormErrors = createContext<readonly ErrorDetail[]>([]);

/** Whether an error is about a field, or a part of it. */
export const isAt = ({ path }: ErrorDetail, name: string): boolean =>
  path === name || path.startsWith(`${name}.`);

const useErrorsAt = (name: string): string =>
  use(FormErrors)
    .filter(detail => isAt(detail, name))
    .map(({ message }) => message)
    .join('; ');

/** What the element that takes the value must have. */
export type Control = {
  readonly id: string;
  readonly name: string;
  readonly className: string;
  readonly 'aria-invalid': boolean;
  readonly 'aria-describedby': string;
};

type FieldProps = {
  /** The path of the field in a request. */
  readonly name: string;
  readonly label: string;
  readonly hint?: string | undefined;
  readonly children: (control: Control) => ReactNode;
};

/** A field of a form with its label, its hint, and what the server has refused. */
export const Field = ({ name, label, hint, children }: FieldProps) => {
  const id = useId();
  const error = useErrorsAt(name);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        name,
        className: 'input',
        'aria-invalid': error !== '',
        'aria-describedby': `${id}-hint ${id}-error`,
      })}
      <p id={`${id}-hint`} className="hint">
        {hint}
      </p>
      <p id={`${id}-error`} className="error" role="alert">
        {error}
      </p>
    </div>
  );
};

type GroupFieldProps = {
  readonly name: string;
  readonly label: string;
  readonly hint?: string | undefined;
  readonly children: ReactNode;
};

/** Several inputs that are one field of a request. */
export const GroupField = ({ name, label, hint, children }: GroupFieldProps) => {
  const error = useErrorsAt(name);
  return (
    <fieldset className="field group">
      <legend>{label}</legend>
      {children}
      <p className="hint">{hint}</p>
      <p className="error" role="alert">
        {error}
      </p>
    </fieldset>
  );
};

type TextFieldProps = Omit<FieldProps, 'children'> & {
  readonly value?: string | undefined;
  readonly type?: 'text' | 'email' | 'number' | 'password' | 'datetime-local';
  readonly isRequired?: boolean;
  readonly autoComplete?: string;
  /** Makes it an input of several lines. */
  readonly rows?: number;
  /** The id of a list of suggestions. */
  readonly list?: string;
  readonly onChange?: (value: string) => void;
};

export const TextField = (props: TextFieldProps) => {
  const { name, label, hint, value = '', type = 'text', isRequired = false, rows } = props;
  const { autoComplete = 'off', list, onChange } = props;
  return (
    <Field name={name} label={label} hint={hint}>
      {control =>
        rows === undefined ? (
          <input
            {...control}
            type={type}
            defaultValue={value}
            required={isRequired}
            autoComplete={autoComplete}
            spellCheck={false}
            list={list}
            onChange={({ target }) => onChange?.(target.value)}
          />
        ) : (
          <textarea
            {...control}
            rows={rows}
            defaultValue={value}
            spellCheck={false}
            onChange={({ target }) => onChange?.(target.value)}
          />
        )
      }
    </Field>
  );
};

type SelectFieldProps = Omit<FieldProps, 'children'> & {
  readonly value?: string | undefined;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly onChange?: (value: string) => void;
};

export const SelectField = ({ value, choices, onChange, ...field }: SelectFieldProps) => (
  <Field {...field}>
    {control => (
      <select {...control} defaultValue={value} onChange={({ target }) => onChange?.(target.value)}>
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice}>
            {text}
          </option>
        ))}
      </select>
    )}
  </Field>
);

type CheckFieldProps = {
  readonly name: string;
  readonly label: string;
  readonly isChecked: boolean;
  readonly value?: string;
};

export const CheckField = ({ name, label, isChecked, value }: CheckFieldProps) => (
  <label className="check">
    <input type="checkbox" name={name} value={value} defaultChecked={isChecked} />
    <bdi>{label}</bdi>
  </label>
);
