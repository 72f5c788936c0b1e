import type { Api } from '../api/api.ts';
import type { Session } from '../api/sessions.ts';
import { BulkDialog } from './bulk-dialog.tsx';
import { CopyDialog } from './copy-dialog.tsx';
import type { Environment } from './overview.ts';
import type { OpenBulkChange } from './use-bulk-dialogs.ts';

type BulkDialogsProps = {
  readonly api: Api;
  readonly session: Session;
  readonly environments: readonly Environment[];
  readonly opened: OpenBulkChange;
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

/** The dialog to copy, tag or delete flags. */
export const BulkDialogs = ({ opened, ...props }: BulkDialogsProps) => {
  const { change, rows, number } = opened;
  return change.kind === 'copy' ? (
    <CopyDialog key={number} {...props} rows={rows} to={change.to} />
  ) : (
    <BulkDialog key={number} {...props} rows={rows} kind={change.kind} />
  );
};
