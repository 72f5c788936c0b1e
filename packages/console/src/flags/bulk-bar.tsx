import { hasRole, type Session } from '../api/sessions.ts';
import { Chevron } from '../components/icons.tsx';
import { MenuButton } from '../components/menu-button.tsx';
import { ActionButton } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { EnvironmentName } from './environment-name.tsx';
import type { Environment, Row } from './overview.ts';

/** What can be done with the flags that are chosen. */
export type BulkChange =
  | { readonly kind: 'switch'; readonly environment: string; readonly enabled: boolean }
  | { readonly kind: 'copy'; readonly to: string }
  | { readonly kind: 'tag' }
  | { readonly kind: 'delete' };

type BulkBarProps = {
  readonly rows: readonly Row[];
  readonly environments: readonly Environment[];
  readonly session: Session;
  readonly onChange: (change: BulkChange) => void;
  readonly onClear: () => void;
};

/** The server changes this many flags in one commit. */
const MAX_FLAGS = 100;

export const BulkBar = (props: BulkBarProps) => (
  <div className="bulk" role="group" aria-label={t('bulk.label')}>
    <span>{t('bulk.chosen', { count: props.rows.length })}</span>
    {props.rows.length > MAX_FLAGS ? (
      <span className="hint">{t('bulk.tooMany', { max: MAX_FLAGS })}</span>
    ) : (
      <BulkActions {...props} />
    )}
    <button type="button" className="button quiet" onClick={props.onClear}>
      {t('bulk.clear')}
    </button>
  </div>
);

const BulkActions = ({ rows, environments, session, onChange }: BulkBarProps) => {
  const writable = environments.filter(({ key }) => hasRole(session, 'editor', key));
  const withFlags = writable.filter(({ key }) => rows.some(({ cells }) => cells[key] != null));
  const reason = writable.length === 0 ? t('bulk.needsEditor') : undefined;
  const copyTargets = writable.filter(({ key: to }) =>
    environments.some(({ key }) => key !== to && rows.some(({ cells }) => cells[key] != null)),
  );
  return (
    <>
      <EnvironmentMenu
        label={t('bulk.enable')}
        reason={reason}
        environments={withFlags}
        onChoose={environment => onChange({ kind: 'switch', environment, enabled: true })}
      />
      <EnvironmentMenu
        label={t('bulk.disable')}
        reason={reason}
        environments={withFlags}
        onChoose={environment => onChange({ kind: 'switch', environment, enabled: false })}
      />
      {environments.length > 1 && (
        <EnvironmentMenu
          label={t('bulk.copy')}
          reason={reason}
          environments={copyTargets}
          onChoose={to => onChange({ kind: 'copy', to })}
        />
      )}
      <ActionButton reason={reason} onClick={() => onChange({ kind: 'tag' })}>
        {t('bulk.tag')}
      </ActionButton>
      <ActionButton reason={reason} onClick={() => onChange({ kind: 'delete' })}>
        {t('bulk.delete')}
      </ActionButton>
    </>
  );
};

type EnvironmentMenuProps = {
  readonly label: string;
  /** Why the person may not do it. Undefined if they may. */
  readonly reason: string | undefined;
  readonly environments: readonly Environment[];
  readonly onChoose: (environment: string) => void;
};

const EnvironmentMenu = ({ label, reason, environments, onChoose }: EnvironmentMenuProps) =>
  reason === undefined ? (
    <MenuButton
      className="button"
      choices={environments.map(environment => ({
        key: environment.key,
        content: <EnvironmentName environment={environment} />,
        onChoose: () => onChoose(environment.key),
      }))}
    >
      {label}
      <Chevron />
    </MenuButton>
  ) : (
    <button type="button" className="button" aria-disabled title={reason}>
      {label}
      <Chevron />
    </button>
  );
