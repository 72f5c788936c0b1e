import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';

import { detailsOf, type ErrorDetail } from '../api/errors.ts';
import { describeError } from '../app/pages.tsx';
import { CancelButton, Dialog } from './dialog.tsx';
import { FormErrors, isAt } from './field.tsx';

type FormDialogProps = {
  readonly isOpen: boolean;
  readonly title: string;
  readonly hint?: string | undefined;
  /** The text of the button that sends the form. */
  readonly submit: string;
  readonly isWide?: boolean;
  /** Whether the form takes something away. */
  readonly isDangerous?: boolean;
  /** Sends what was entered. The dialog stays open if this fails, and shows why. */
  readonly onSubmit: (form: FormData) => Promise<unknown>;
  readonly onClose: () => void;
  readonly children?: ReactNode;
};

/** A form in a dialog. Errors of the server are at their fields, and others above the buttons. */
export const FormDialog = ({ title, hint, isWide = false, ...props }: FormDialogProps) => (
  <Dialog
    isOpen={props.isOpen}
    title={title}
    hint={hint}
    size={isWide ? 'wide' : 'normal'}
    onClose={props.onClose}
  >
    <DialogForm {...props} />
  </Dialog>
);

const DialogForm = (props: Omit<FormDialogProps, 'title' | 'hint' | 'isWide'>) => {
  const { submit, isDangerous = false, onSubmit, onClose, children } = props;
  const [errors, setErrors] = useState<readonly ErrorDetail[]>([]);
  const [problem, setProblem] = useState('');
  const sending = useMutation({ mutationFn: onSubmit, onSuccess: onClose });
  const send = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (sending.isPending) return;
    const form = event.currentTarget;
    setErrors([]);
    setProblem('');
    sending.mutate(new FormData(form), {
      onError: error => {
        const details = detailsOf(error);
        setErrors(details);
        setProblem(describeOthers(error, details, form));
      },
    });
  };
  return (
    <FormErrors value={errors}>
      <form className="review" onSubmit={send} noValidate>
        {children}
        <p className="error" role="alert">
          {problem}
        </p>
        <div className="actions">
          <CancelButton onClick={onClose} />
          <button
            type="submit"
            className={isDangerous ? 'button primary danger' : 'button primary'}
            aria-disabled={sending.isPending}
          >
            {submit}
          </button>
        </div>
      </form>
    </FormErrors>
  );
};

/** Returns the errors that no field of the form shows. */
const describeOthers = (
  error: unknown,
  details: readonly ErrorDetail[],
  form: HTMLFormElement,
): string => {
  if (details.length === 0) return describeError(error);
  const names = [...new FormData(form).keys()].map(name => name.replace(/:.*/s, ''));
  return details
    .filter(detail => !names.some(name => isAt(detail, name)))
    .map(({ path, message }) => `${path} ${message}`)
    .join('; ');
};
