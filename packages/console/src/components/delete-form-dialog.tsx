import { t } from '../i18n/i18n.ts';
import { TextField } from './field.tsx';
import { textOf } from './form-values.ts';
import { FormDialog } from './form-dialog.tsx';

type DeleteFormDialogProps = {
  readonly isOpen: boolean;
  readonly title: string;
  readonly hint: string;
  /** Deletes it, with the reason for the audit log. */
  readonly onDelete: (comment: string) => Promise<void>;
  readonly onClose: () => void;
};

/** The last question before something is deleted, and the reason for it. */
export const DeleteFormDialog = ({ onDelete, ...props }: DeleteFormDialogProps) => (
  <FormDialog
    {...props}
    submit={t('settings.delete')}
    isDangerous
    onSubmit={form => onDelete(textOf(form, 'comment'))}
  >
    <TextField name="comment" label={t('review.comment')} rows={2} />
  </FormDialog>
);
