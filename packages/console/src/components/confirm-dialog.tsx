import { useId, type FormEvent, type ReactNode } from 'react';

import { t } from '../i18n/i18n.ts';
import { CancelButton, Dialog } from './dialog.tsx';

type ConfirmDialogProps = {
  readonly isOpen: boolean;
  readonly title: string;
  /** The name of the button that makes the change. */
  readonly action: string;
  /** Why the last attempt has failed. */
  readonly error?: string | undefined;
  readonly isBlocked?: boolean;
  /** Whether the change is in the audit log, which has a reason for it. */
  readonly takesComment?: boolean;
  readonly isWide?: boolean;
  /** Whether the change takes something away. */
  readonly isDangerous?: boolean;
  readonly onConfirm: (comment: string) => void;
  readonly onClose: () => void;
  /** What the change does. */
  readonly children: ReactNode;
};

/** The server refuses longer comments. */
const MAX_COMMENT_LENGTH = 500;

/** Shows a change before it is made. */
export const ConfirmDialog = (props: ConfirmDialogProps) => (
  <Dialog
    isOpen={props.isOpen}
    title={props.title}
    size={props.isWide === true ? 'wide' : 'normal'}
    onClose={props.onClose}
  >
    <ConfirmForm {...props} />
  </Dialog>
);

const ConfirmForm = (props: ConfirmDialogProps) => {
  const { action, error, isBlocked = false, takesComment = false, onConfirm } = props;
  const id = useId();
  const confirm = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const comment = new FormData(event.currentTarget).get('comment');
    if (!isBlocked) onConfirm(typeof comment === 'string' ? comment : '');
  };
  return (
    <form className="review" onSubmit={confirm}>
      {props.children}
      {takesComment && (
        <>
          <label htmlFor={id}>{t('review.comment')}</label>
          <textarea
            id={id}
            name="comment"
            className="input"
            rows={2}
            maxLength={MAX_COMMENT_LENGTH}
          />
        </>
      )}
      <p className="error" role="alert">
        {error}
      </p>
      <div className="actions">
        <CancelButton onClick={props.onClose} />
        <button
          type="submit"
          className={props.isDangerous === true ? 'button primary danger' : 'button primary'}
          aria-disabled={isBlocked}
        >
          {action}
        </button>
      </div>
    </form>
  );
};
