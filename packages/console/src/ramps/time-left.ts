const MINUTE_MS = 60_000;

const UNITS = [
  ['day', 1_440],
  ['hour', 60],
  ['minute', 1],
] as const;

/** How many units of time are written. */
const MAX_PARTS = 2;

/** Returns a time in words, in its two largest units, such as "3 hours, 12 minutes". It is never less than a minute. */
export const formatTimeLeft = (ms: number): string => {
  let rest = Math.max(1, Math.ceil(ms / MINUTE_MS));
  const parts = UNITS.flatMap(([unit, minutes]) => {
    const count = Math.floor(rest / minutes);
    rest -= count * minutes;
    return count === 0 ? [] : [formatUnit(count, unit)];
  });
  const { lang } = document.documentElement;
  return new Intl.ListFormat(lang, { type: 'unit' }).format(parts.slice(0, MAX_PARTS));
};

const formatUnit = (count: number, unit: (typeof UNITS)[number][0]): string =>
  new Intl.NumberFormat(document.documentElement.lang, {
    style: 'unit',
    unit,
    unitDisplay: 'long',
  }).format(count);
