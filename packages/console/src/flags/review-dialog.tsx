import { useId, type FormEvent } from 'react';

import { CancelButton, Dialog } from '../components/dialog.tsx';
import { t } from '../i18n/i18n.ts';

/** Flags to enable or disable in one environment. */
export type SwitchChange = {
  readonly environment: string;
  readonly keys: readonly string[];
  readonly enabled: boolean;
};

type ReviewDialogProps = {
  /** The change that is reviewed. Undefined if the dialog is closed. */
  readonly change: SwitchChange | undefined;
  readonly onApply: (change: SwitchChange, comment: string) => void;
  readonly onClose: () => void;
};

/** The server refuses longer comments. */
const MAX_COMMENT_LENGTH = 500;

const titleOf = ({ enabled, keys, environment }: SwitchChange): string => {
  const [flag] = keys;
  const values = { flag, environment, flags: keys.length };
  if (keys.length === 1) return t(enabled ? 'review.enableOne' : 'review.disableOne', values);
  return t(enabled ? 'review.enableMany' : 'review.disableMany', values);
};

/** Shows a change before it is made, and takes the reason for the audit log. */
export const ReviewDialog = ({ change, onApply, onClose }: ReviewDialogProps) => (
  <Dialog
    isOpen={change !== undefined}
    title={change === undefined ? '' : titleOf(change)}
    hint={t(change?.enabled === true ? 'review.enableEffect' : 'review.disableEffect')}
    onClose={onClose}
  >
    {change && <Review change={change} onApply={onApply} onClose={onClose} />}
  </Dialog>
);

type ReviewProps = Omit<ReviewDialogProps, 'change'> & { readonly change: SwitchChange };

const Review = ({ change, onApply, onClose }: ReviewProps) => {
  const id = useId();
  const apply = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const comment = new FormData(event.currentTarget).get('comment');
    onApply(change, typeof comment === 'string' ? comment : '');
  };
  return (
    <form className="review" onSubmit={apply}>
      {change.keys.length > 1 && (
        <ul className="review-flags" tabIndex={0} aria-label={t('flags.title')}>
          {change.keys.map(key => (
            <li key={key}>
              <bdi>{key}</bdi>
            </li>
          ))}
        </ul>
      )}
      <label htmlFor={id}>{t('review.comment')}</label>
      <textarea id={id} name="comment" className="input" rows={2} maxLength={MAX_COMMENT_LENGTH} />
      <div className="actions">
        <CancelButton onClick={onClose} />
        <button type="submit" className="button primary">
          {t('review.apply')}
        </button>
      </div>
    </form>
  );
};
