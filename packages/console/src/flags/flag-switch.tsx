import type { Session } from '../api/sessions.ts';
import { hasRole } from '../api/sessions.ts';
import { formatPercent } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import type { Cell, Environment, Row } from './overview.ts';
import { isSplit } from './search.ts';

/** Returns what a flag does in an environment, in a few words. */
export const describeCell = (cell: Cell): string => {
  if (!cell.enabled) return t('cell.off');
  const { rules, serves, percentage } = cell;
  const parts = [
    ...(rules > 1 || (rules === 1 && !isSplit(cell)) ? [t('cell.rules', { rules })] : []),
    ...(percentage === undefined ? [] : [formatPercent(percentage)]),
    ...(serves !== null && 'split' in serves ? [t('cell.split')] : []),
  ];
  if (parts.length > 0) return parts.join(' · ');
  const variant = serves !== null && 'variant' in serves ? serves.variant : 'on';
  // An enabled flag may serve a variant with the name "off".
  return variant === 'on' ? t('cell.on') : t('cell.variant', { variant });
};

export type SwitchFlag = (row: Row, environment: Environment, enabled: boolean) => void;

type FlagSwitchProps = {
  readonly row: Row;
  readonly environment: Environment;
  readonly session: Session;
  /** The state that was requested, until the server has confirmed it. */
  readonly pending: boolean | undefined;
  readonly onSwitch: SwitchFlag;
  readonly tabIndex?: number;
  readonly position?: string;
};

/** The state of a flag in an environment, as a switch. */
export const FlagSwitch = (props: FlagSwitchProps) => {
  const { row, environment, session, pending, onSwitch, tabIndex, position } = props;
  const cell = row.cells[environment.key];
  if (!cell)
    return (
      <span className="absent" tabIndex={tabIndex} data-position={position}>
        <span aria-hidden="true">–</span>
        <span className="sr-only">{t('cell.none')}</span>
      </span>
    );
  const mayWrite = hasRole(session, 'editor', environment.key);
  const enabled = pending ?? cell.enabled;
  return (
    <button
      type="button"
      role="switch"
      className="switch"
      aria-checked={enabled}
      aria-disabled={!mayWrite || pending !== undefined}
      aria-label={t('cell.label', {
        flag: row.key,
        environment: environment.key,
        state: describeCell(cell),
      })}
      title={mayWrite ? undefined : t('cell.needsEditor', { environment: environment.key })}
      tabIndex={tabIndex}
      data-position={position}
      onClick={() => {
        if (mayWrite && pending === undefined) onSwitch(row, environment, !cell.enabled);
      }}
    >
      {describeCell(cell)}
    </button>
  );
};
