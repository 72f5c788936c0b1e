import { formatNumber, formatPercentage } from '../i18n/format.ts';

const SIGNIFICANT_DIGITS = 4;
/** Larger numbers are written as a power of ten. */
const LARGE = 1e9;

/** Returns a number with few digits, or a dash if there is none. */
export const shortNumber = (value: number | null): string => {
  if (value === null) return '–';
  return Math.abs(value) < LARGE
    ? formatNumber(Number(value.toPrecision(SIGNIFICANT_DIGITS)))
    : value.toExponential(1);
};

/** Returns a change with its sign, or a dash if there is none. */
export const signedPercentage = (share: number | null): string => {
  if (share === null) return '–';
  return share > 0 ? `+${formatPercentage(share)}` : formatPercentage(share);
};
