import { formatCompact } from '../i18n/format.ts';
import { formatTime, t } from '../i18n/i18n.ts';
import type { Row } from './overview.ts';
import type { RecentUsage } from './use-recent-usage.ts';

type RecentUsageProps = {
  readonly row: Row;
  /** Undefined until the server has responded. */
  readonly usage: RecentUsage | undefined;
};

/** How often a flag was evaluated in the last 24 hours, and in each of them. */
export const RecentUsageCell = ({ row, usage }: RecentUsageProps) => (
  <div role="gridcell" className="grid-cell quiet recent-usage" title={describeLast(row)}>
    {usage && <RecentUsageFigures usage={usage} />}
  </div>
);

/** The same below the name of a flag. No column has a header there. */
export const RecentUsageLine = ({ row, usage }: RecentUsageProps) => (
  <span className="recent-usage" title={describeLast(row)}>
    {usage && (
      <>
        <RecentUsageFigures usage={usage} />
        <span>{t('flags.column.usage')}</span>
      </>
    )}
  </span>
);

const RecentUsageFigures = ({ usage }: { readonly usage: RecentUsage }) => (
  <>
    {usage.total > 0 && (
      <svg viewBox="0 0 24 16" preserveAspectRatio="none" aria-hidden="true">
        <path d={barsOf(usage.hours)} />
      </svg>
    )}
    <span className="recent-total">{formatCompact(usage.total)}</span>
  </>
);

const describeLast = ({ cells }: Row): string => {
  const last = Object.values(cells)
    .flatMap(cell => cell?.lastEvaluated ?? [])
    .toSorted()
    .at(-1);
  return last === undefined ? t('usage.never') : t('usage.last', { time: formatTime(last) });
};

const HEIGHT = 16;
const BAR_WIDTH = 0.75;

/** Returns a bar for each hour, relative to the highest. Hours without evaluations have none. */
const barsOf = (hours: readonly number[]): string => {
  const highest = Math.max(...hours);
  return hours
    .map((count, hour) => ({
      hour,
      height: count === 0 ? 0 : Math.max(1, (count / highest) * HEIGHT),
    }))
    .filter(({ height }) => height > 0)
    .map(
      ({ hour, height }) =>
        `M${hour} ${HEIGHT}h${BAR_WIDTH}v${(-height).toFixed(1)}h${-BAR_WIDTH}z`,
    )
    .join('');
};
