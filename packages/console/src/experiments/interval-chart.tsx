import { useCallback } from 'react';
import uPlot from 'uplot';

import {
  axisStyle,
  Chart,
  colorOf,
  drawMarks,
  HEIGHT_PX,
  SECOND_MS,
} from '../components/chart.tsx';
import { formatPercentage } from '../i18n/format.ts';
import type { IntervalPoint } from './series.ts';

type IntervalChartProps = {
  readonly points: readonly IntervalPoint[];
  /** The planned end, which is a line across the chart. */
  readonly end: number | undefined;
  readonly endText: string;
  readonly format: (time: number) => string;
  readonly label: string;
};

/** The interval of one comparison over time, as a band around the estimate. */
export const IntervalChart = ({ points, end, endText, format, label }: IntervalChartProps) => {
  const create = useCallback(
    (target: HTMLElement) => {
      const data: uPlot.AlignedData = [
        points.map(({ time }) => time / SECOND_MS),
        points.map(({ lower }) => lower),
        points.map(({ upper }) => upper),
        points.map(({ estimate }) => estimate),
      ];
      return new uPlot(optionsOf({ target, points, end, endText, format }), data, target);
    },
    [points, end, endText, format],
  );
  return <Chart label={label} create={create} />;
};

type ChartParts = Omit<IntervalChartProps, 'label'> & { readonly target: HTMLElement };

const BOUND_WIDTH = 1;
const ESTIMATE_WIDTH = 2;
/** How much of the height is free above and below. */
const ROOM = 0.1;

const optionsOf = ({ target, points, end, endText, format }: ChartParts): uPlot.Options => {
  const axis = axisStyle(target);
  const color = colorOf('blue', target);
  const first = (points[0]?.time ?? 0) / SECOND_MS;
  const last = Math.max(points.at(-1)?.time ?? 0, end ?? 0) / SECOND_MS;
  const bound = { stroke: color, width: BOUND_WIDTH, points: { show: false } };
  return {
    width: target.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 40, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: () => [first, last] }, y: { range: rangeOf(points) } },
    axes: [
      {
        ...axis,
        space: 110,
        values: (_, times) => times.map(time => format(time * SECOND_MS)),
      },
      { ...axis, size: 64, values: (_, shares) => shares.map(share => formatPercentage(share)) },
    ],
    series: [
      {},
      bound,
      bound,
      { stroke: color, width: ESTIMATE_WIDTH, dash: [6, 4], points: { show: false } },
    ],
    bands: [{ series: [2, 1], fill: colorOf('accent-quiet', target) }],
    hooks: {
      draw: [
        chart => drawZero(chart, colorOf('ink-quiet', target)),
        chart => drawMarks(chart, end === undefined ? [] : [{ at: end, text: endText }], axis),
      ],
    },
  };
};

const SMALLEST = 0.01;

/**
 * Returns what the chart shows: no difference, the estimates, and twice the intervals of the second half. The first ones
 * are so wide that nothing else could be read; the table has them.
 */
const rangeOf = (points: readonly IntervalPoint[]): [number, number] => {
  const half = points.slice(Math.floor(points.length / 2));
  const bounds = half.flatMap(({ lower, upper }) => [2 * (lower ?? 0), 2 * (upper ?? 0)]);
  const shown = [0, ...bounds, ...half.map(({ estimate }) => estimate ?? 0)];
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  const room = Math.max(high - low, SMALLEST) * ROOM;
  return [low - room, high + room];
};

const drawZero = (chart: uPlot, color: string): void => {
  const { ctx, bbox } = chart;
  const y = Math.round(chart.valToPos(0, 'y', true));
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
};
