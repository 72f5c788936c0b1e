import { useCallback } from 'react';
import uPlot from 'uplot';

import {
  axisStyle,
  Chart,
  colorOf,
  COLORS,
  DASHES,
  drawMarks,
  HEIGHT_PX,
  SECOND_MS,
} from '../components/chart.tsx';
import { formatCompact } from '../i18n/format.ts';
import type { UsageSeries } from './usage.ts';

/** A change of the flag, which is a line across the chart. */
export type Mark = {
  readonly at: number;
  /** The version that it made. */ readonly number: number;
};

type UsageChartProps = Pick<UsageSeries, 'times'> & {
  readonly series: readonly { readonly counts: readonly number[] }[];
  readonly marks: readonly Mark[];
  readonly format: (time: number) => string;
  /** Whether the steps are days, which are those of UTC. */
  readonly isDaily: boolean;
  readonly label: string;
  /** Receives the index of the time below the pointer. */
  readonly onPoint?: (index: number | undefined) => void;
};

/** How often something was counted, over time. A table beside it has the same numbers. */
export const UsageChart = (props: UsageChartProps) => {
  const { times, series, marks, format, isDaily, label, onPoint } = props;
  const create = useCallback(
    (target: HTMLElement) => {
      const data: uPlot.AlignedData = [
        times.map(time => time / SECOND_MS),
        ...series.map(({ counts }) => [...counts]),
      ];
      const options = optionsOf({ target, series, marks, format, isDaily, onPoint });
      return new uPlot(options, data, target);
    },
    [times, series, marks, format, isDaily, onPoint],
  );
  return <Chart label={label} create={create} />;
};

type ChartParts = Pick<UsageChartProps, 'series' | 'marks' | 'format' | 'isDaily'> & {
  readonly target: HTMLElement;
  readonly onPoint: UsageChartProps['onPoint'];
};

const optionsOf = (parts: ChartParts): uPlot.Options => {
  const { target, series, marks, format, isDaily, onPoint } = parts;
  const axis = axisStyle(target);
  const lines = marks.map(({ at, number }) => ({ at, text: String(number) }));
  return {
    width: target.clientWidth,
    height: HEIGHT_PX,
    // Room for the half of the last label.
    padding: [8, 40, 0, 0],
    legend: { show: false },
    ...(isDaily && { tzDate: seconds => uPlot.tzDate(new Date(seconds * SECOND_MS), 'Etc/UTC') }),
    cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * HEADROOM, 1)] } },
    axes: [
      {
        ...axis,
        space: 110,
        values: (_, times) => times.map(time => format(time * SECOND_MS)),
      },
      { ...axis, size: 60, incrs: WHOLE_STEPS, values: (_, counts) => counts.map(formatCompact) },
    ],
    series: [
      {},
      ...series.map((_, index) => ({
        stroke: colorOf(COLORS[index] ?? 'ink', target),
        dash: DASHES[index] ?? [],
        width: 2,
        points: { show: false },
      })),
    ],
    hooks: {
      draw: [chart => drawMarks(chart, lines, axis)],
      setCursor: [({ cursor: { idx } }) => onPoint?.(idx ?? undefined)],
    },
  };
};

/** Room above the highest line, for the labels of marks. */
const HEADROOM = 1.1;
/** What is counted are whole numbers. */
const WHOLE_STEPS = Array.from({ length: 12 }, (_, power) => 10 ** power).flatMap(unit => [
  unit,
  2 * unit,
  5 * unit,
]);
