import { useEffect, useRef, useSyncExternalStore } from 'react';
import uPlot from 'uplot';

import { formatCompact } from '../i18n/format.ts';
import type { UsageSeries } from './usage.ts';

/** A change of the flag, which is a line across the chart. */
export type Mark = {
  readonly at: number;
  /** The version that it made. */ readonly number: number;
};

type UsageChartProps = UsageSeries & {
  readonly marks: readonly Mark[];
  readonly format: (time: number) => string;
  /** Whether the steps are days, which are those of UTC. */
  readonly isDaily: boolean;
  readonly label: string;
  /** Receives the index of the time below the pointer. */
  readonly onPoint: (index: number | undefined) => void;
};

const HEIGHT_PX = 280;
const SECOND_MS = 1_000;
/** The colors of the lines, in the order of the swatches in the style sheet. */
const COLORS = ['blue', 'orange', 'teal', 'purple', 'pink', 'green'] as const;
/** Lines differ without their colors, too. */
const DASHES: readonly number[][] = [[], [6, 4], [2, 3], [10, 4], [8, 3, 2, 3], [4, 2]];

/** How often a flag was evaluated, over time. A table beside it has the same numbers. */
export const UsageChart = (props: UsageChartProps) => {
  const { times, series, marks, format, isDaily, label, onPoint } = props;
  const box = useRef<HTMLDivElement>(null);
  const scheme = useSyncExternalStore(followScheme, readScheme);
  useEffect(() => {
    const target = box.current;
    if (target === null) return undefined;
    const data: uPlot.AlignedData = [
      times.map(time => time / SECOND_MS),
      ...series.map(({ counts }) => [...counts]),
    ];
    const chart = new uPlot(
      optionsOf({ target, series, marks, format, isDaily, onPoint }),
      data,
      target,
    );
    const resize = new ResizeObserver(() =>
      chart.setSize({ width: target.clientWidth, height: HEIGHT_PX }),
    );
    resize.observe(target);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
  }, [times, series, marks, format, isDaily, onPoint, scheme]);
  return <div ref={box} className="chart" role="img" aria-label={label} dir="ltr" />;
};

const DARK = '(prefers-color-scheme: dark)';

/** Calls back when the page becomes dark or light. A canvas does not change with it by itself. */
const followScheme = (onChange: () => void): (() => void) => {
  const preference = matchMedia(DARK);
  const theme = new MutationObserver(onChange);
  preference.addEventListener('change', onChange);
  theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    preference.removeEventListener('change', onChange);
    theme.disconnect();
  };
};

const readScheme = (): string =>
  `${document.documentElement.dataset['theme']} ${matchMedia(DARK).matches}`;

/** Returns a color of the style sheet as a canvas takes it. */
const colorOf = (name: string, target: HTMLElement): string => {
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  target.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
};

type ChartParts = Omit<UsageChartProps, 'times' | 'label'> & {
  readonly target: HTMLElement;
};

const optionsOf = (parts: ChartParts): uPlot.Options => {
  const { target, series, marks, format, isDaily, onPoint } = parts;
  const axis = axisStyle(target);
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
      draw: [chart => drawMarks(chart, marks, axis)],
      setCursor: [({ cursor: { idx } }) => onPoint(idx ?? undefined)],
    },
  };
};

/** Room above the highest line, for the labels of marks. */
const HEADROOM = 1.1;
/** Evaluations are whole numbers. */
const WHOLE_STEPS = Array.from({ length: 12 }, (_, power) => 10 ** power).flatMap(unit => [
  unit,
  2 * unit,
  5 * unit,
]);

const FONT_PX = 12;

type AxisStyle = ReturnType<typeof axisStyle>;

const axisStyle = (target: HTMLElement) => {
  const border = { stroke: colorOf('border', target), width: 1 };
  return {
    stroke: colorOf('ink-quiet', target),
    font: `${FONT_PX}px ${getComputedStyle(target).fontFamily}`,
    grid: border,
    ticks: border,
  };
};

/** Draws a line at the time of each change, newest first. A point is the start of its step, and so are changes of the last one. */
const drawMarks = (chart: uPlot, marks: readonly Mark[], { stroke, font }: AxisStyle): void => {
  const { ctx, bbox, scales } = chart;
  const ratio = devicePixelRatio;
  const { min = 0, max = 0 } = scales['x'] ?? {};
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.fillStyle = stroke;
  ctx.font = font.replace(String(FONT_PX), String(FONT_PX * ratio));
  ctx.textAlign = 'right';
  ctx.lineWidth = ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  let free = Infinity;
  for (const { at, number } of marks) {
    const seconds = Math.min(at / SECOND_MS, max);
    if (seconds < min) continue;
    const x = Math.round(chart.valToPos(seconds, 'x', true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const text = String(number);
    if (x > free) continue;
    ctx.fillText(text, x - 4 * ratio, bbox.top + FONT_PX * ratio);
    free = x - ctx.measureText(text).width - 8 * ratio;
  }
  ctx.restore();
};
