import { useVirtualizer } from '@tanstack/react-virtual';
import { useId, useRef } from 'react';

import type { Api } from '../api/api.ts';
import { t } from '../i18n/i18n.ts';
import { FlagName, pendingKey, type FlagListProps } from './flag-grid.tsx';
import { FlagSwitch } from './flag-switch.tsx';
import type { Environment } from './overview.ts';
import { RecentUsageLine } from './recent-usage-cell.tsx';
import { useRecentUsage } from './use-recent-usage.ts';

type FlagCardsProps = FlagListProps & {
  readonly api: Api;
  readonly environment: Environment;
  readonly onEnvironment: (environment: string) => void;
};

const CARD_PX = 84;
const OVERSCAN = 3;

/** The flags of one environment, for narrow windows. */
export const FlagCards = (props: FlagCardsProps) => {
  const { api, rows, environments, environment, session, pending, onSwitch, onEnvironment } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => CARD_PX,
    overscan: OVERSCAN,
    getItemKey: index => rows[index]?.key ?? index,
  });
  const items = virtualizer.getVirtualItems();
  const usages = useRecentUsage(
    api,
    items.flatMap(({ index }) => rows[index]?.key ?? []),
  );
  return (
    <>
      <EnvironmentChoice {...{ environments, environment, onEnvironment }} />
      <div className="cards-scroller" ref={scroller} tabIndex={-1}>
        <ul className="cards" style={{ height: virtualizer.getTotalSize() }}>
          {items.map(({ index, start }) => {
            const row = rows[index];
            return (
              row && (
                <li
                  key={row.key}
                  className="card"
                  style={{ top: start }}
                  data-index={index}
                  ref={virtualizer.measureElement}
                  aria-setsize={rows.length}
                  aria-posinset={index + 1}
                >
                  <div className="card-name">
                    <FlagName row={row} environment={environment.key} />
                    <RecentUsageLine row={row} usage={usages(row.key)} />
                  </div>
                  <FlagSwitch
                    row={row}
                    environment={environment}
                    session={session}
                    pending={pending.get(pendingKey(environment.key, row.key))}
                    onSwitch={onSwitch}
                  />
                </li>
              )
            );
          })}
        </ul>
      </div>
    </>
  );
};

type EnvironmentChoiceProps = Pick<
  FlagCardsProps,
  'environments' | 'environment' | 'onEnvironment'
>;

const EnvironmentChoice = ({
  environments,
  environment,
  onEnvironment,
}: EnvironmentChoiceProps) => {
  const id = useId();
  return (
    <div className="field-row">
      <label htmlFor={id}>{t('flags.environment')}</label>
      <select
        id={id}
        className="input"
        value={environment.key}
        onChange={({ target }) => onEnvironment(target.value)}
      >
        {environments.map(({ key, name }) => (
          <option key={key} value={key}>
            {name ?? key}
          </option>
        ))}
      </select>
    </div>
  );
};
