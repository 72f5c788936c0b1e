import { useId, useState } from 'react';

import type { Api } from '../api/api.ts';
import { PromoteDialog } from '../promotion/promote-dialog.tsx';
import { t } from '../i18n/i18n.ts';
import type { Environment, Row } from './overview.ts';

type CopyDialogProps = {
  readonly api: Api;
  readonly rows: readonly Row[];
  readonly environments: readonly Environment[];
  readonly to: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

/** Copies flags into an environment from another one, which is chosen in the dialog. */
export const CopyDialog = ({ api, rows, environments, to, isOpen, onClose }: CopyDialogProps) => {
  const id = useId();
  const sources = environments.filter(
    ({ key }) => key !== to && rows.some(({ cells }) => cells[key] != null),
  );
  const [chosen, setFrom] = useState(sources.at(-1)?.key);
  const from = sources.some(({ key }) => key === chosen) ? chosen : sources.at(-1)?.key;
  const flags = rows
    .filter(({ cells }) => from !== undefined && cells[from] != null)
    .map(({ key }) => key);
  return (
    <PromoteDialog
      api={api}
      promotion={isOpen && from !== undefined ? { from, to, flags, segments: [] } : undefined}
      onDone={onClose}
      onClose={onClose}
    >
      <div className="field">
        <label htmlFor={id}>{t('bulk.copyFrom')}</label>
        <select
          id={id}
          className="input"
          value={from}
          onChange={({ target }) => setFrom(target.value)}
        >
          {sources.map(({ key, name }) => (
            <option key={key} value={key}>
              {name ?? key}
            </option>
          ))}
        </select>
      </div>
    </PromoteDialog>
  );
};
