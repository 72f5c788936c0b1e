import { Chevron } from '../components/icons.tsx';
import { MenuButton } from '../components/menu-button.tsx';
import { t } from '../i18n/i18n.ts';
import { EnvironmentName } from './environment-name.tsx';
import type { Environment } from './overview.ts';

type BulkBarProps = {
  readonly count: number;
  /** Those in which the session may change flags. */
  readonly environments: readonly Environment[];
  readonly onChange: (environment: string, enabled: boolean) => void;
  readonly onClear: () => void;
};

/** The server changes this many flags in one commit. */
const MAX_FLAGS = 100;

/** What can be done with the flags that are chosen. */
export const BulkBar = ({ count, environments, onChange, onClear }: BulkBarProps) => (
  <div className="bulk" role="group" aria-label={t('bulk.label')}>
    <span>{t('bulk.chosen', { count })}</span>
    {count > MAX_FLAGS ? (
      <span className="hint">{t('bulk.tooMany', { max: MAX_FLAGS })}</span>
    ) : (
      <>
        <EnvironmentMenu
          label={t('bulk.enable')}
          environments={environments}
          onChoose={environment => onChange(environment, true)}
        />
        <EnvironmentMenu
          label={t('bulk.disable')}
          environments={environments}
          onChoose={environment => onChange(environment, false)}
        />
      </>
    )}
    <button type="button" className="button quiet" onClick={onClear}>
      {t('bulk.clear')}
    </button>
  </div>
);

type EnvironmentMenuProps = Pick<BulkBarProps, 'environments'> & {
  readonly label: string;
  readonly onChoose: (environment: string) => void;
};

const EnvironmentMenu = ({ label, environments, onChoose }: EnvironmentMenuProps) => (
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
);
