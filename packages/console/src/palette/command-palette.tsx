import { useQuery } from '@tanstack/react-query';
import { useNavigate, useRouteContext } from '@tanstack/react-router';
import { useEffect, useId, useMemo, useState, type KeyboardEvent } from 'react';

import { DialogFrame } from '../components/dialog-frame.tsx';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { overviewOptions } from '../flags/follow-overview.ts';
import { mainEnvironment, withEnabled } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { segmentListOptions } from '../segments/segment.ts';
import { findCommands, type Command, type Switch, type Target } from './commands.ts';

type CommandPaletteProps = { readonly isOpen: boolean; readonly onClose: () => void };

/** Finds pages, flags, segments and actions by their names. */
export const CommandPalette = ({ isOpen, onClose }: CommandPaletteProps) => {
  const navigate = useNavigate();
  const [change, setChange] = useState<Switch>();
  const run = (target: Target): void => {
    onClose();
    if (target.kind === 'switch') setChange(target.change);
    else if (target.kind === 'page') void navigate({ to: target.to });
    else if (target.kind === 'flag')
      void navigate({ to: '/flags/$key', params: { key: target.key } });
    else void navigate({ to: '/segments/$key', params: { key: target.key } });
  };
  return (
    <>
      <DialogFrame isOpen={isOpen} title={t('palette.open')} size="palette" onClose={onClose}>
        <Commands onRun={run} />
      </DialogFrame>
      <SwitchDialog change={change} onClose={() => setChange(undefined)} />
    </>
  );
};

const useCommands = (text: string): readonly Command[] => {
  const { api, session } = useRouteContext({ from: '/signed-in' });
  const { data: overview } = useQuery(overviewOptions(api));
  const environment = mainEnvironment(overview?.environments ?? [])?.key;
  const { data: list } = useQuery({
    ...segmentListOptions(api, environment ?? ''),
    enabled: environment !== undefined,
  });
  return useMemo(() => {
    const segments = (list ?? []).map(({ key }) => key);
    return findCommands({ overview, segments, session }, text);
  }, [overview, list, session, text]);
};

const Commands = ({ onRun }: { readonly onRun: (target: Target) => void }) => {
  const id = useId();
  const [text, setText] = useState('');
  const [index, setIndex] = useState(0);
  const commands = useCommands(text);
  const chosen = Math.min(index, commands.length - 1);
  const optionId = (position: number): string => `${id}-${position}`;
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: 'nearest' });
  }, [id, chosen]);
  const press = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const command = commands[chosen];
    if (step !== undefined && commands.length > 0)
      setIndex((chosen + step + commands.length) % commands.length);
    else if (event.key === 'Enter' && command !== undefined) onRun(command.target);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        className="input"
        role="combobox"
        aria-label={t('palette.open')}
        aria-expanded="true"
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={commands.length > 0 ? optionId(chosen) : undefined}
        placeholder={t('palette.placeholder')}
        value={text}
        autoComplete="off"
        spellCheck={false}
        onKeyDown={press}
        onChange={({ target }) => {
          setText(target.value);
          setIndex(0);
        }}
      />
      <div id={id} className="commands" role="listbox" aria-label={t('palette.results')}>
        {commands.map(({ label, about, target }, position) => (
          <div
            key={`${about} ${label}`}
            id={optionId(position)}
            className="command"
            role="option"
            aria-selected={position === chosen}
            onClick={() => onRun(target)}
          >
            <bdi className="clipped">{label}</bdi>
            <span className="hint clipped">{about}</span>
          </div>
        ))}
      </div>
      <p className={commands.length === 0 ? 'hint' : 'sr-only'} role="status">
        {t('palette.count', { count: commands.length })}
      </p>
    </>
  );
};

const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };

type SwitchDialogProps = { readonly change: Switch | undefined; readonly onClose: () => void };

/** Shows a switch for review, because the flag is not in sight. */
const SwitchDialog = ({ change, onClose }: SwitchDialogProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const apply = async (form: FormData): Promise<void> => {
    if (change === undefined) return;
    const { flag: key, environment, enabled } = change;
    const options = { context: { comment: textOf(form, 'comment') } };
    await api.procedures.flags.update.mutate({ environment, key, enabled }, options);
    api.queries.setQueryData(
      overviewOptions(api).queryKey,
      known => known && withEnabled(known, { environment, keys: [key], enabled }),
    );
    await api.queries.invalidateQueries({ queryKey: ['flags', 'get', environment, key] });
  };
  const isEnabling = change?.enabled === true;
  return (
    <FormDialog
      isOpen={change !== undefined}
      title={t(isEnabling ? 'review.enableOne' : 'review.disableOne', {
        flag: change?.flag,
        environment: change?.environment,
      })}
      hint={t(isEnabling ? 'review.enableEffect' : 'review.disableEffect')}
      submit={t('review.apply')}
      onSubmit={apply}
      onClose={onClose}
    >
      <TextField name="comment" label={t('review.comment')} rows={2} />
    </FormDialog>
  );
};
