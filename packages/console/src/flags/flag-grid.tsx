import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import { Link } from '@tanstack/react-router';
import { memo, useRef, type CSSProperties } from 'react';

import type { Api } from '../api/api.ts';
import type { Session } from '../api/sessions.ts';
import { t } from '../i18n/i18n.ts';
import { EnvironmentName } from './environment-name.tsx';
import { FlagSwitch, type SwitchFlag } from './flag-switch.tsx';
import type { FlagsSearch, Sort } from './flags-search.ts';
import type { Environment, Row } from './overview.ts';
import { RecentUsageCell } from './recent-usage-cell.tsx';
import { directionOf } from './sort.ts';
import { useGridFocus } from './use-grid-focus.ts';
import { useRecentUsage, type RecentUsage } from './use-recent-usage.ts';

declare module 'react' {
  interface CSSProperties {
    '--columns'?: string;
  }
}

/** What the grid and the cards show, and what can be done in them. */
export type FlagListProps = {
  readonly rows: readonly Row[];
  readonly environments: readonly Environment[];
  readonly session: Session;
  /** The states that were requested, by `pendingKey`. */
  readonly pending: ReadonlyMap<string, boolean>;
  readonly onSwitch: SwitchFlag;
  readonly chosen: ReadonlySet<string>;
  readonly onChoose: (keys: readonly string[], isChosen: boolean) => void;
};

export const pendingKey = (environment: string, key: string): string => `${environment}/${key}`;

type FlagGridProps = FlagListProps & {
  readonly api: Api;
  readonly sort: FlagsSearch['sort'];
  readonly onSort: (sort: FlagsSearch['sort']) => void;
};

const ROW_PX = 48;
/** Rows that are rendered beyond the visible ones. */
const OVERSCAN = 3;
/** The columns in front of the environments: the choice, the flag, its type and its owner; and its usage behind them. */
const COLUMNS_PX = { choice: 44, flag: 280, type: 92, owner: 128, environment: 152, usage: 136 };
/** Columns that the arrow keys reach in front of the environments. */
const FIRST_ENVIRONMENT = 2;

/** The flags of all environments as a grid, of which only the visible rows exist. */
export const FlagGrid = (props: FlagGridProps) => {
  const { rows, environments, chosen, pending, session, onSwitch, onChoose } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const focusedRow = useRef(0);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    getItemKey: index => rows[index]?.key ?? index,
    // The Tab key reaches the grid only if the row with the focus exists.
    rangeExtractor: range =>
      [
        ...new Set([
          Math.min(focusedRow.current, rows.length - 1),
          ...defaultRangeExtractor(range),
        ]),
      ].toSorted((a, b) => a - b),
  });
  const { position, onKeyDown, onFocus } = useGridFocus({
    grid: scroller,
    rows: rows.length,
    columns: FIRST_ENVIRONMENT + environments.length,
    onMove: row => virtualizer.scrollToIndex(row),
  });
  focusedRow.current = position.row;
  const visible = virtualizer.getVirtualItems();
  const usageOf = useRecentUsage(
    props.api,
    visible.flatMap(({ index }) => rows[index]?.key ?? []),
  );
  return (
    <div className="grid-scroller" ref={scroller}>
      <div
        role="grid"
        aria-label={t('flags.title')}
        aria-rowcount={rows.length + 1}
        aria-multiselectable="true"
        className="grid"
        style={gridStyle(environments.length)}
      >
        <GridHeader {...props} />
        <div
          role="rowgroup"
          className="grid-body"
          style={{ height: virtualizer.getTotalSize() }}
          onKeyDown={onKeyDown}
          onFocus={onFocus}
        >
          {visible.map(({ index, start }) => {
            const row = rows[index];
            return (
              row && (
                <FlagRow
                  key={row.key}
                  row={row}
                  usage={usageOf(row.key)}
                  index={index}
                  start={start}
                  focusedColumn={position.row === index ? position.column : undefined}
                  isChosen={chosen.has(row.key)}
                  pending={pending}
                  environments={environments}
                  session={session}
                  onSwitch={onSwitch}
                  onChoose={onChoose}
                />
              )
            );
          })}
        </div>
      </div>
    </div>
  );
};

const gridStyle = (environments: number): CSSProperties => {
  const { choice, flag, type, owner, environment, usage } = COLUMNS_PX;
  const sum = choice + flag + type + owner + environments * environment + usage;
  return {
    minWidth: sum,
    '--columns': `${choice}px minmax(${flag}px, 2fr) ${type}px ${owner}px repeat(${environments}, minmax(${environment}px, 1fr)) ${usage}px`,
  };
};

const GridHeader = ({ rows, environments, chosen, onChoose, sort, onSort }: FlagGridProps) => {
  const chosenRows = rows.filter(({ key }) => chosen.has(key)).length;
  const hasAll = chosenRows > 0 && chosenRows === rows.length;
  return (
    <div role="rowgroup" className="grid-header">
      <div role="row" aria-rowindex={1} className="grid-row">
        <div role="columnheader" className="grid-cell choice">
          <input
            type="checkbox"
            aria-label={t('flags.chooseAll')}
            checked={hasAll}
            ref={element => {
              if (element) element.indeterminate = chosenRows > 0 && !hasAll;
            }}
            onChange={({ target }) =>
              onChoose(
                rows.map(({ key }) => key),
                target.checked,
              )
            }
          />
        </div>
        <SortHeader column="key" sort={sort} onSort={onSort} className="flag" />
        <SortHeader column="type" sort={sort} onSort={onSort} />
        <SortHeader column="owner" sort={sort} onSort={onSort} />
        {environments.map(environment => (
          <div role="columnheader" className="grid-cell" key={environment.key}>
            <EnvironmentName environment={environment} />
          </div>
        ))}
        <div role="columnheader" className="grid-cell recent-usage">
          {t('flags.column.usage')}
        </div>
      </div>
    </div>
  );
};

type SortHeaderProps = Pick<FlagGridProps, 'sort' | 'onSort'> & {
  readonly column: Sort;
  readonly className?: string;
};

const SortHeader = ({ column, sort, onSort, className = '' }: SortHeaderProps) => {
  const current = directionOf(sort);
  const isSorted = current.column === column;
  const direction = current.isDescending ? 'descending' : 'ascending';
  return (
    <div
      role="columnheader"
      className={`grid-cell ${className}`}
      aria-sort={isSorted ? direction : 'none'}
    >
      <button
        type="button"
        className="sort"
        onClick={() => onSort(isSorted && !current.isDescending ? `-${column}` : column)}
      >
        {t(`flags.column.${column}`)}
      </button>
    </div>
  );
};

type FlagRowProps = Omit<FlagListProps, 'rows' | 'chosen'> & {
  readonly row: Row;
  readonly usage: RecentUsage | undefined;
  readonly index: number;
  readonly start: number;
  readonly focusedColumn: number | undefined;
  readonly isChosen: boolean;
};

const FlagRow = memo((props: FlagRowProps) => {
  const { row, index, start, isChosen, focusedColumn, environments, pending, session } = props;
  const focusable = (column: number) => ({
    tabIndex: focusedColumn === column ? 0 : -1,
    'data-position': `${index}:${column}`,
  });
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isChosen}
      className="grid-row"
      style={{ top: start }}
    >
      <div role="gridcell" className="grid-cell choice">
        <input
          type="checkbox"
          aria-label={t('flags.choose', { flag: row.key })}
          checked={isChosen}
          onChange={({ target }) => props.onChoose([row.key], target.checked)}
          {...focusable(0)}
        />
      </div>
      <div role="rowheader" className="grid-cell flag">
        <FlagName row={row} {...focusable(1)} />
      </div>
      <div role="gridcell" className="grid-cell quiet">
        {t(`type.${row.type}`)}
      </div>
      <div role="gridcell" className="grid-cell quiet" title={row.owner ?? undefined}>
        <bdi className="clipped">{row.owner ?? '–'}</bdi>
      </div>
      {environments.map((environment, column) => (
        <div role="gridcell" className="grid-cell" key={environment.key}>
          <FlagSwitch
            row={row}
            environment={environment}
            session={session}
            pending={pending.get(pendingKey(environment.key, row.key))}
            onSwitch={props.onSwitch}
            tabIndex={focusedColumn === FIRST_ENVIRONMENT + column ? 0 : -1}
            position={`${index}:${FIRST_ENVIRONMENT + column}`}
          />
        </div>
      ))}
      <RecentUsageCell row={row} usage={props.usage} />
    </div>
  );
});

type FlagNameProps = {
  readonly row: Row;
  /** The environment that its page shows first. */
  readonly environment?: string;
  readonly tabIndex?: number;
  readonly 'data-position'?: string;
};

/** The key of a flag, and below it its name and tags. People write them in any direction. */
export const FlagName = ({ row: { key, name, tags }, environment, ...link }: FlagNameProps) => {
  const about = [...(name === null || name === key ? [] : [name]), ...tags.map(tag => `#${tag}`)];
  return (
    <>
      <Link
        to="/flags/$key"
        params={{ key }}
        search={{ env: environment }}
        className="flag-key"
        title={key}
        {...link}
      >
        <bdi>{key}</bdi>
      </Link>
      {about.length > 0 && (
        <bdi className="flag-about" title={about.join(' ')}>
          {about.join(' ')}
        </bdi>
      )}
    </>
  );
};
