import type { CohortSums, UnitState } from '@pennon/statistics/fold';
import { ZERO, type Decimal } from '@pennon/statistics/fold';

/** States are kept for each unit, so their texts are short. */
const RADIX = 36;
const SEPARATOR = ' ';
const PART = ',';
const FINAL = 'f';
const QUARANTINED = 'q';

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

/**
 * Returns a state as text: the index of the variant with its marks, the first exposure, the totals of the metrics with
 * `;` between them, and the covariates. Trailing empty parts are left out.
 */
export const stateText = (state: UnitState, variants: readonly string[]): string => {
  const { variant, exposedMs, totals, covariates, isQuarantined, isSettled = false } = state;
  const marks = `${isQuarantined ? QUARANTINED : ''}${isSettled ? FINAL : ''}`;
  const head = `${variants.indexOf(variant)}${marks}`;
  const time = exposedMs.toString(RADIX);
  if (isSettled) return `${head}${SEPARATOR}${time}`;
  const values = totals
    .map(sumsText)
    .join(';')
    .replace(/[;,]+$/, '');
  const known = covariates.some(each => each !== 0) ? covariates.join(PART) : '';
  return [head, time, values, known].join(SEPARATOR).trimEnd();
};

export const stateIn = (
  text: string,
  variants: readonly string[],
  sources: readonly number[],
): UnitState => {
  const [head = '', time = '0', values = '', known = ''] = text.split(SEPARATOR);
  const totals = values.split(';');
  return {
    variant: variants[Number.parseInt(head, 10)] ?? '',
    exposedMs: Number.parseInt(time, RADIX),
    totals: sources.map((count, at) => {
      const sums = sumsIn(totals[at] ?? '');
      return Array.from({ length: count }, (_, part) => sums[part] ?? ZERO);
    }),
    covariates: known === '' ? [] : known.split(PART).map(Number),
    isQuarantined: head.includes(QUARANTINED),
    ...(head.includes(FINAL) && { isSettled: true }),
  };
};

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
