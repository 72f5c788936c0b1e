import type { CohortSums } from '@pennon/statistics/fold';
import { ZERO, type Decimal } from '@pennon/statistics/fold';

const PART = ',';

const decimalText = ({ digits, scale }: Decimal): string => {
  if (digits === 0n) return '';
  return scale === 0 ? String(digits) : `${digits}e${scale}`;
};

const decimalIn = (text: string): Decimal => {
  if (text === '') return ZERO;
  const [digits = '0', scale = '0'] = text.split('e');
  return { digits: BigInt(digits), scale: Number(scale) };
};

const sumsText = (sums: readonly Decimal[]): string => sums.map(decimalText).join(PART);
const sumsIn = (text: string): Decimal[] => text.split(PART).map(decimalIn);

type CohortText = readonly [units: number, quarantined: number, sums: string];

const isCohortText = (value: unknown): value is CohortText =>
  Array.isArray(value) && value.length === 3 && typeof value[2] === 'string';

export const cohortText = ({ units, quarantined, sums }: CohortSums): string => {
  const fields: CohortText = [units, quarantined, sums.map(sumsText).join(';')];
  return JSON.stringify(fields);
};

/** Returns the cohort with a name of `cohortName`. */
export const cohortIn = (name: string, text: string): CohortSums => {
  const [, from = '0', until = '0', variant = ''] = /^(\d+) (\d+) (.*)$/s.exec(name) ?? [];
  const fields: unknown = JSON.parse(text);
  if (!isCohortText(fields)) throw new Error(`the cohort "${name}" cannot be read`);
  const [units, quarantined, sums] = fields;
  return {
    fromMs: Number(from),
    untilMs: Number(until),
    variant,
    units,
    quarantined,
    sums: sums.split(';').map(each => (each === '' ? [] : sumsIn(each))),
  };
};
