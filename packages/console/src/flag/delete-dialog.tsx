import { useMutation } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { statusOf } from '../api/errors.ts';
import { describeError } from '../app/pages.tsx';
import { ConfirmDialog } from '../components/confirm-dialog.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { withoutFlag } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import type { FlagResponse } from './document.ts';
import { flagOptions } from './flag-query.ts';

type DeleteDialogProps = {
  readonly api: Api;
  readonly environment: string;
  /** The flag as the server has it. */
  readonly live: FlagResponse;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
};

/** Deletes a flag in one environment, after it has shown what that does. */
export const DeleteDialog = (props: DeleteDialogProps) => {
  const { environment, live, isOpen, onClose } = props;
  const { mutate, error, isPending, reset } = useDelete(props);
  return (
    <ConfirmDialog
      isOpen={isOpen}
      title={t('settings.deleteTitle', { flag: live.key, environment })}
      action={t('settings.deleteFlag')}
      error={error === null ? undefined : describeError(error)}
      isBlocked={isPending}
      takesComment
      isDangerous
      onConfirm={mutate}
      onClose={() => {
        reset();
        onClose();
      }}
    >
      <p className="hint">{t('settings.deleteEffect')}</p>
    </ConfirmDialog>
  );
};

const CHANGED_ELSEWHERE = 412;

const useDelete = ({ api, environment, live, onDeleted }: DeleteDialogProps) => {
  const { key, etag } = live;
  return useMutation({
    mutationFn: (comment: string) =>
      api.procedures.flags.delete.mutate(
        { environment, key, ifMatch: etag },
        { context: { comment } },
      ),
    onSuccess: () => {
      onDeleted();
      api.queries.setQueryData(
        overviewOptions(api).queryKey,
        known => known && withoutFlag(known, environment, key),
      );
    },
    onError: async failure => {
      const { queryKey } = flagOptions(api, environment, key);
      if (statusOf(failure) === CHANGED_ELSEWHERE) await api.queries.refetchQueries({ queryKey });
    },
  });
};
