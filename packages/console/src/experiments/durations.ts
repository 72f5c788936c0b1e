const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** Units of time of a form, the longest first. */
export const DURATION_UNITS = UNITS.map(([unit]) => unit);
export type DurationUnit = (typeof DURATION_UNITS)[number];

export type Duration = { readonly count: number; readonly unit: DurationUnit };

/** Returns a time as a number of the longest unit that it is a multiple of. */
export const durationOf = (ms: number): Duration => {
  const [unit, unitMs] = UNITS.find(([, each]) => ms >= each && ms % each === 0) ?? UNITS[2];
  return { count: ms / unitMs, unit };
};

/** Returns milliseconds. */
export const toMs = ({ count, unit }: Duration): number =>
  count * (UNITS.find(([name]) => name === unit)?.[1] ?? 1);

/** Returns a time in words, such as "7 days". */
export const formatDuration = (ms: number): string => {
  const { count, unit } = durationOf(ms);
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: 'unit',
    unit,
    unitDisplay: 'long',
    maximumFractionDigits: 1,
  }).format(count);
};
