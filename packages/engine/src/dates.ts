import { charCodeAt } from './char-code.ts';

const DAYS_BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334] as const;
const DAYS_OF = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
const MINUTE_MS = 60_000;
/** The index after the seconds: a fraction or the offset begins there. */
const SECONDS_END = 19;

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

const daysOf = (year: number, month: number): number =>
  (DAYS_OF[month - 1] ?? 0) + (month === 2 && isLeap(year) ? 1 : 0);

/** Days since 0001-01-01. Date.UTC would read the years 1 to 99 as 1901 to 1999. */
const dayNumber = (year: number, month: number, day: number): number => {
  const fullYears = year - 1;
  const leapDays =
    Math.floor(fullYears / 4) - Math.floor(fullYears / 100) + Math.floor(fullYears / 400);
  const leapDay = month > 2 && isLeap(year) ? 1 : 0;
  return fullYears * 365 + leapDays + (DAYS_BEFORE[month - 1] ?? 0) + leapDay + day - 1;
};

const isDigit = (text: string, index: number): boolean => {
  const code = charCodeAt(text, index);
  return code >= 48 && code <= 57;
};

/** Parses `count` digits; NaN if one is not a digit. */
const digits = (text: string, start: number, count: number): number => {
  let value = 0;
  for (let index = start; index < start + count; index += 1) {
    if (!isDigit(text, index)) return Number.NaN;
    value = value * 10 + charCodeAt(text, index) - 48;
  }
  return value;
};

const within = (value: number, min: number, max: number): boolean => value >= min && value <= max;

const hasSeparators = (text: string): boolean =>
  text[4] === '-' &&
  text[7] === '-' &&
  (text[10] === 'T' || text[10] === 't') &&
  text[13] === ':' &&
  text[16] === ':';

/** Milliseconds since midnight; NaN if the time is invalid. */
const timeOfDay = (text: string): number => {
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  const isValid = within(hour, 0, 23) && within(minute, 0, 59) && within(second, 0, 59);
  return isValid ? (hour * 60 + minute) * MINUTE_MS + second * 1000 : Number.NaN;
};

/** Milliseconds from 0001-01-01 to this day; NaN if the date is invalid. */
const startOfDay = (text: string): number => {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const isValid = year >= 1 && within(month, 1, 12) && within(day, 1, daysOf(year, month));
  return isValid ? dayNumber(year, month, day) * 1440 * MINUTE_MS : Number.NaN;
};

/** Returns the index after the fraction, which is optional. */
const endOfFraction = (text: string): number => {
  if (text[SECONDS_END] !== '.') return SECONDS_END;
  let end = SECONDS_END + 1;
  while (isDigit(text, end)) end += 1;
  return end;
};

/** Reads the first three digits of the fraction; further ones are truncated. */
const milliseconds = (text: string, end: number): number => {
  let value = 0;
  for (let index = SECONDS_END + 1; index <= SECONDS_END + 3; index += 1) {
    value = value * 10 + (index < end ? charCodeAt(text, index) - 48 : 0);
  }
  return value;
};

/** Parses the rest of the text as a time zone offset in milliseconds; NaN if it is invalid. */
const offset = (text: string, start: number): number => {
  const sign = text[start];
  if (sign === 'Z' || sign === 'z') return text.length === start + 1 ? 0 : Number.NaN;
  if ((sign !== '+' && sign !== '-') || text[start + 3] !== ':' || text.length !== start + 6)
    return Number.NaN;
  const hours = digits(text, start + 1, 2);
  const minutes = digits(text, start + 4, 2);
  if (!within(hours, 0, 23) || !within(minutes, 0, 59)) return Number.NaN;
  return (sign === '+' ? 1 : -1) * (hours * 60 + minutes) * MINUTE_MS;
};

/**
 * Returns the milliseconds from 0001-01-01T00:00:00Z to a date and time such as `2026-01-31T12:00:00Z`,
 * truncated to whole milliseconds; NaN for other texts. Comparisons with NaN are false, so a condition on
 * an invalid date does not hold.
 */
export const parseInstant = (text: string): number => {
  if (text.length < SECONDS_END + 1 || !hasSeparators(text)) return Number.NaN;
  const end = endOfFraction(text);
  if (end === SECONDS_END + 1) return Number.NaN;
  return startOfDay(text) + timeOfDay(text) + milliseconds(text, end) - offset(text, end);
};
