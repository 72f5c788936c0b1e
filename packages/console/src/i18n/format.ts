/** The language of the page. */
const language = (): string => document.documentElement.lang;

export const formatNumber = (value: number): string =>
  new Intl.NumberFormat(language()).format(value);

/** Returns a number with few digits, such as 1.2M. */
export const formatCompact = (value: number): string =>
  new Intl.NumberFormat(language(), { notation: 'compact', maximumFractionDigits: 1 }).format(
    value,
  );

export const formatPercentage = (share: number, maximumFractionDigits = 1): string =>
  new Intl.NumberFormat(language(), { style: 'percent', maximumFractionDigits }).format(share);

const PERCENT = 100;
/** Percentages of rules have steps of 0.001. */
const PERCENT_DIGITS = 3;

/** Returns a number of percent, as precise as the percentage of a rule can be. */
export const formatPercent = (percent: number): string =>
  formatPercentage(percent / PERCENT, PERCENT_DIGITS);

const STEPS = {
  time: { hour: 'numeric', minute: '2-digit' },
  hour: { month: 'short', day: 'numeric', hour: 'numeric' },
  // Days are those of UTC.
  day: { month: 'short', day: 'numeric', timeZone: 'UTC' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

/** How much of a time is written. */
export type StepForm = keyof typeof STEPS;

/** Returns a time in milliseconds since 1970, short enough for a chart. */
export const formatStep = (time: number, form: StepForm): string =>
  new Intl.DateTimeFormat(language(), STEPS[form]).format(time);

const ISOLATE = '\u2068';
const END_OF_ISOLATE = '\u2069';

/** Returns texts with commas between them. Marks in one text do not reverse what follows it. */
export const formatTexts = (texts: readonly string[]): string =>
  texts.map(text => ISOLATE + text + END_OF_ISOLATE).join(', ');
