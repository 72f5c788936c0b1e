import { useEffect, useRef, useSyncExternalStore } from 'react';
import type uPlot from 'uplot';

export const HEIGHT_PX = 280;
/** The colors of the lines, in the order of the swatches in the style sheet. */
export const COLORS = ['blue', 'orange', 'teal', 'purple', 'pink', 'green'] as const;
/** Lines differ without their colors, too. */
export const DASHES: readonly number[][] = [[], [6, 4], [2, 3], [10, 4], [8, 3, 2, 3], [4, 2]];
const FONT_PX = 12;
export const SECOND_MS = 1_000;

type ChartProps = {
  readonly label: string;
  /** Draws the chart. Another function draws it again. */
  readonly create: (target: HTMLElement) => uPlot;
};

/** A chart over time. A table beside it must have the same numbers. */
export const Chart = ({ label, create }: ChartProps) => {
  const box = useRef<HTMLDivElement>(null);
  const scheme = useSyncExternalStore(followScheme, readScheme);
  useEffect(() => {
    const target = box.current;
    if (target === null) return undefined;
    const chart = create(target);
    const resize = new ResizeObserver(() =>
      chart.setSize({ width: target.clientWidth, height: HEIGHT_PX }),
    );
    resize.observe(target);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
  }, [create, scheme]);
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
export const colorOf = (name: string, target: HTMLElement): string => {
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  target.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
};

export type AxisStyle = ReturnType<typeof axisStyle>;

export const axisStyle = (target: HTMLElement) => {
  const border = { stroke: colorOf('border', target), width: 1 };
  return {
    stroke: colorOf('ink-quiet', target),
    font: `${FONT_PX}px ${getComputedStyle(target).fontFamily}`,
    grid: border,
    ticks: border,
  };
};

/** A time that is a line across the chart. */
export type Mark = {
  readonly at: number;
  readonly text: string;
};

/**
 * Draws a line at each time, newest first. A point is the start of its step, so a later mark is at the last one.
 */
export const drawMarks = (
  chart: uPlot,
  marks: readonly Mark[],
  { stroke, font }: AxisStyle,
): void => {
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
  for (const { at, text } of marks) {
    const seconds = Math.min(at / SECOND_MS, max);
    if (seconds < min) continue;
    const x = Math.round(chart.valToPos(seconds, 'x', true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (x > free) continue;
    ctx.fillText(text, x - 4 * ratio, bbox.top + FONT_PX * ratio);
    free = x - ctx.measureText(text).width - 8 * ratio;
  }
  ctx.restore();
};
