import { useNavigate, useRouteContext } from '@tanstack/react-router';
import { useState } from 'react';

import { hasRole } from '../api/sessions.ts';
import { TextField } from '../components/field.tsx';
import { DeleteFormDialog } from '../components/delete-form-dialog.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { ActionButton } from '../components/section.tsx';
import { UnseenEvents, type Warnings } from '../experiments/unseen-events.tsx';
import { t } from '../i18n/i18n.ts';
import { RampDialog } from './ramp-dialog.tsx';
import { RAMPS_KEY, rampOptions, shareAt, type RampResponse, type RampState } from './ramps.ts';

const STEP_ACTIONS = ['start', 'pause', 'resume', 'advance', 'approve', 'rollback'] as const;
type StepAction = (typeof STEP_ACTIONS)[number];
type Action = StepAction | 'edit' | 'delete';

/** What can be done with a ramp in each state. */
const ACTIONS: Readonly<Record<RampState, readonly Action[]>> = {
  draft: ['start', 'edit', 'delete'],
  running: ['approve', 'advance', 'pause', 'rollback'],
  paused: ['approve', 'resume', 'rollback'],
  completed: ['rollback', 'start', 'edit', 'delete'],
  rolledBack: ['start', 'edit', 'delete'],
};

type RampActionsProps = { readonly environment: string; readonly ramp: RampResponse };

export const RampActions = ({ environment, ramp }: RampActionsProps) => {
  const { api, session } = useRouteContext({ from: '/signed-in' });
  const [action, setAction] = useState<Action>();
  const [warnings, setWarnings] = useState<Warnings>();
  const close = (): void => setAction(undefined);
  const reason = hasRole(session, 'editor', environment)
    ? undefined
    : t('cell.needsEditor', { environment });
  const shared = { environment, ramp, onClose: close };
  return (
    <div className="item-actions">
      {ACTIONS[ramp.state]
        .filter(each => each !== 'approve' || isUnapproved(ramp))
        .map(each => (
          <ActionButton key={each} reason={reason} onClick={() => setAction(each)}>
            {t(`ramps.action.${each}`)}
          </ActionButton>
        ))}
      <StepDialog {...shared} action={action} onDone={setWarnings} />
      <UnseenEvents warnings={warnings} metrics={ramp.guardrails} />
      <DeleteDialog {...shared} isOpen={action === 'delete'} />
      <RampDialog
        {...shared}
        isOpen={action === 'edit'}
        onSaved={() => void api.queries.invalidateQueries({ queryKey: RAMPS_KEY })}
      />
    </div>
  );
};

/** Whether the current step needs an approval that is not there yet. */
const isUnapproved = ({ steps, step, approved }: RampResponse): boolean =>
  steps[step - 1]?.approval === true && approved !== true;

type StepDialogProps = RampActionsProps & {
  readonly action: Action | undefined;
  readonly onClose: () => void;
  readonly onDone: (warnings: Warnings) => void;
};

/** Shows what an action does before it is done. */
const StepDialog = ({ environment, ramp, action, onClose, onDone }: StepDialogProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const { key, etag } = ramp;
  const shown = STEP_ACTIONS.find(each => each === action);
  const act = async (form: FormData): Promise<void> => {
    if (shown === undefined) return;
    // A ramp that does harm is rolled back, even if the server has just changed it.
    const ifMatch = shown === 'rollback' ? {} : { ifMatch: etag };
    const { warnings } = await api.procedures.ramps[shown].mutate(
      { environment, key, ...ifMatch },
      { context: { comment: textOf(form, 'comment') } },
    );
    onDone(warnings);
    await api.queries.invalidateQueries({ queryKey: RAMPS_KEY });
    await api.queries.invalidateQueries({ queryKey: ['audit'] });
  };
  return (
    <FormDialog
      isOpen={shown !== undefined}
      title={t(`ramps.confirm.${shown ?? 'start'}`, { name: key })}
      hint={shown === undefined ? undefined : describeEffect(shown, ramp)}
      submit={t(`ramps.action.${shown ?? 'start'}`)}
      isDangerous={shown === 'rollback'}
      onSubmit={act}
      onClose={onClose}
    >
      <TextField name="comment" label={t('review.comment')} rows={2} />
    </FormDialog>
  );
};

const describeEffect = (action: StepAction, ramp: RampResponse): string => {
  const { step, rule, flag, treatment: variant } = ramp;
  const names = { rule, flag, variant };
  switch (action) {
    case 'start':
      return t('ramps.effect.start', { ...names, share: shareAt(ramp, 1) });
    case 'advance':
      return t('ramps.effect.advance', { ...names, share: shareAt(ramp, step + 1) });
    case 'pause':
      return t('ramps.effect.pause', { ...names, share: shareAt(ramp, step) });
    case 'resume':
    case 'approve':
    case 'rollback':
      return t(`ramps.effect.${action}`, names);
  }
};

type DeleteDialogProps = RampActionsProps & {
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

const DeleteDialog = ({ environment, ramp, isOpen, onClose }: DeleteDialogProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const navigate = useNavigate();
  const { key, etag } = ramp;
  const remove = async (comment: string): Promise<void> => {
    await api.procedures.ramps.delete.mutate(
      { environment, key, ifMatch: etag },
      { context: { comment } },
    );
    await navigate({ to: '/experiments/ramps', search: { env: environment } });
    api.queries.removeQueries({ queryKey: rampOptions(api, environment, key).queryKey });
    await api.queries.invalidateQueries({ queryKey: RAMPS_KEY });
  };
  return (
    <DeleteFormDialog
      isOpen={isOpen}
      title={t('settings.deleteOne', { name: key })}
      hint={t('ramps.deleteHint')}
      onDelete={remove}
      onClose={onClose}
    />
  );
};
