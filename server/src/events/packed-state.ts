import {
  decimalOf,
  isEqual,
  ONE,
  toNumber,
  ZERO,
  type Decimal,
  type UnitState,
} from '@pennon/statistics/fold';

import type { MeasuredRun } from './measured-runs.ts';

/** What the packed states of a run depend on. */
type Layout = Pick<MeasuredRun, 'variants' | 'folded'>;

/** Redis keeps values up to this size in the short form of its hashes. */
export const PIECE_BYTES = 64;

const HEAD_BYTES = 7;
const TIME_AT = 1;
const TIME_BYTES = 6;
const QUARANTINED = 0b1000_0000;
const VARIANT = 0b0111_1111;

/** What stands for a value, in two bits. */
const CODE = { zero: 0, one: 1, double: 2, digits: 3 } as const;
const CODES_PER_BYTE = 4;
const DOUBLE_BYTES = 8;
const LENGTH_BYTES = 2;

/**
 * Returns a state as bytes, in pieces of at most 64:
 *
 * | bytes | contents                                                                                              |
 * | ----- | ----------------------------------------------------------------------------------------------------- |
 * | 1     | the index of the variant; the highest bit is set if the unit is quarantined                           |
 * | 6     | the first exposure in milliseconds since 1970                                                         |
 * | n / 4 | two bits for each value: 0, 1, a double, or the digits of a number that no double has                 |
 * | 8 …   | a double for each value, or the length of its digits in two bytes and the digits                      |
 *
 * Values are the totals of the sources of each metric, then the covariates of the metrics that have one. A state ends
 * after its head if all values are 0, or are in no sums.
 */
export const packState = (state: UnitState, layout: Layout): string[] => {
  const bytes = Buffer.concat([headOf(state, layout), ...valuesOf(state, layout)]);
  const text = bytes.toString('latin1');
  return Array.from({ length: Math.ceil(text.length / PIECE_BYTES) }, (_, piece) =>
    text.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES),
  );
};

const headOf = ({ variant, exposedMs, isQuarantined }: UnitState, { variants }: Layout): Buffer => {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = variants.indexOf(variant) | (isQuarantined ? QUARANTINED : 0);
  head.writeUIntBE(exposedMs, TIME_AT, TIME_BYTES);
  return head;
};

const valuesOf = (
  { totals, covariates, isQuarantined }: UnitState,
  { folded }: Layout,
): Buffer[] => {
  const values = folded.metrics.flatMap(({ sources }, at) =>
    sources.map((_, part) => totals[at]?.[part] ?? ZERO),
  );
  const known = folded.metrics.flatMap(({ hasCovariate }, at) =>
    hasCovariate === true ? [decimalOf(covariates[at] ?? 0)] : [],
  );
  const all = [...values, ...known].map(packValue);
  if (isQuarantined || all.every(({ code }) => code === CODE.zero)) return [];
  const codes = Buffer.alloc(Math.ceil(all.length / CODES_PER_BYTE));
  all.forEach(({ code }, at) => {
    const index = Math.floor(at / CODES_PER_BYTE);
    codes[index] = (codes[index] ?? 0) | (code << ((at % CODES_PER_BYTE) * 2));
  });
  return [codes, ...all.map(({ bytes }) => bytes)];
};

type Packed = { readonly code: number; readonly bytes: Buffer };
const NOTHING = Buffer.alloc(0);

const packValue = (value: Decimal): Packed => {
  if (value.digits === 0n) return { code: CODE.zero, bytes: NOTHING };
  if (isEqual(value, ONE)) return { code: CODE.one, bytes: NOTHING };
  const number = toNumber(value);
  if (!Number.isFinite(number) || !isEqual(decimalOf(number), value)) return packDigits(value);
  const bytes = Buffer.alloc(DOUBLE_BYTES);
  bytes.writeDoubleBE(number);
  return { code: CODE.double, bytes };
};

const packDigits = ({ digits, scale }: Decimal): Packed => {
  const text = Buffer.from(`${digits}e${scale}`);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(text.length);
  return { code: CODE.digits, bytes: Buffer.concat([length, text]) };
};

/** Reads what is in the first piece of each state. */
export const unpackHead = (
  text: string,
  { variants }: Layout,
): Pick<UnitState, 'variant' | 'exposedMs' | 'isQuarantined'> => {
  const bytes = Buffer.from(text.slice(0, HEAD_BYTES), 'latin1');
  const head = bytes[0] ?? 0;
  return {
    variant: variants[head & VARIANT] ?? '',
    exposedMs: bytes.readUIntBE(TIME_AT, TIME_BYTES),
    isQuarantined: (head & QUARANTINED) !== 0,
  };
};

/** Reads the state of pieces that are joined. */
export const unpackState = (text: string, layout: Layout): UnitState => {
  const bytes = Buffer.from(text, 'latin1');
  const { metrics } = layout.folded;
  const sizes = metrics.map(({ sources }) => sources.length);
  const known = metrics.filter(({ hasCovariate }) => hasCovariate === true).length;
  const values = unpackValues(
    bytes,
    sizes.reduce((sum, size) => sum + size, known),
  );
  let at = 0;
  const next = (): Decimal => values[at++] ?? ZERO;
  return {
    ...unpackHead(text, layout),
    totals: sizes.map(size => Array.from({ length: size }, next)),
    covariates: metrics.map(({ hasCovariate }) => (hasCovariate === true ? toNumber(next()) : 0)),
  };
};

const unpackValues = (bytes: Buffer, count: number): Decimal[] => {
  if (bytes.length === HEAD_BYTES) return [];
  let at = HEAD_BYTES + Math.ceil(count / CODES_PER_BYTE);
  return Array.from({ length: count }, (_, index) => {
    const codes = bytes[HEAD_BYTES + Math.floor(index / CODES_PER_BYTE)] ?? 0;
    const code = (codes >> ((index % CODES_PER_BYTE) * 2)) & 0b11;
    const start = at;
    at += sizeOf(bytes, at, code);
    return unpackValue(bytes.subarray(start, at), code);
  });
};

const sizeOf = (bytes: Buffer, at: number, code: number): number => {
  if (code === CODE.double) return DOUBLE_BYTES;
  return code === CODE.digits ? LENGTH_BYTES + bytes.readUInt16BE(at) : 0;
};

const unpackValue = (bytes: Buffer, code: number): Decimal => {
  if (code === CODE.zero) return ZERO;
  if (code === CODE.one) return ONE;
  if (code === CODE.double) return decimalOf(bytes.readDoubleBE());
  const [digits = '0', scale = '0'] = bytes.subarray(LENGTH_BYTES).toString('latin1').split('e');
  return { digits: BigInt(digits), scale: Number(scale) };
};
