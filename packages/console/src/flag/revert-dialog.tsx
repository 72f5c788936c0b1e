import { useMutation } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { statusOf } from '../api/errors.ts';
import { describeError } from '../app/pages.tsx';
import { ConfirmDialog } from '../components/confirm-dialog.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { t } from '../i18n/i18n.ts';
import type { FlagResponse } from './document.ts';
import { flagOptions } from './flag-query.ts';
import { VersionChanges } from './version-changes.tsx';

type RevertDialogProps = {
  readonly api: Api;
  readonly environment: string;
  readonly flag: string;
  /** The flag as the server has it. Undefined if it was deleted. */
  readonly live: FlagResponse | undefined;
  /** The version to bring back. Undefined if the dialog is closed. */
  readonly version: number | undefined;
  readonly onClose: () => void;
};

/** Shows what changes if a version is brought back, and writes it as a new version. */
export const RevertDialog = (props: RevertDialogProps) => {
  const { environment, flag, live, version, onClose } = props;
  const { mutate, error, isPending, reset } = useRevert(props);
  return (
    <ConfirmDialog
      isOpen={version !== undefined}
      title={t('history.revertTitle', { flag, version, environment })}
      action={t('history.revert')}
      error={error === null ? undefined : describeError(error)}
      isBlocked={isPending}
      takesComment
      isWide
      onConfirm={comment => version !== undefined && mutate({ version, comment })}
      onClose={() => {
        reset();
        onClose();
      }}
    >
      {live === undefined || version === undefined ? (
        <p className="hint">{t('history.createsAgain')}</p>
      ) : (
        <VersionChanges
          api={props.api}
          environment={environment}
          flag={flag}
          from={live.version}
          to={version}
        />
      )}
    </ConfirmDialog>
  );
};

const CHANGED_ELSEWHERE = 412;

type Revert = { readonly version: number; readonly comment: string };

const useRevert = ({ api, environment, flag, live, onClose }: RevertDialogProps) => {
  const { queryKey } = flagOptions(api, environment, flag);
  return useMutation({
    mutationFn: ({ version, comment }: Revert) =>
      api.procedures.flags.revert.mutate(
        { environment, key: flag, version, ...(live && { ifMatch: live.etag }) },
        { context: { comment } },
      ),
    onSuccess: async response => {
      api.queries.setQueryData(queryKey, response);
      if (live === undefined)
        await api.queries.fetchQuery({ ...overviewOptions(api), staleTime: 0 });
      onClose();
    },
    onError: async failure => {
      if (statusOf(failure) === CHANGED_ELSEWHERE) await api.queries.refetchQueries({ queryKey });
    },
  });
};
