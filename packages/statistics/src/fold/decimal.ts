/**
 * An exact number: `digits / 10^scale`. Values are added as they are written, so that 0.1 + 0.2 is 0.3 and a sum
 * depends neither on the order of its terms nor on how a log is divided.
 */
export type Decimal = { readonly digits: bigint; readonly scale: number };

export const ZERO: Decimal = { digits: 0n, scale: 0 };
export const ONE: Decimal = { digits: 1n, scale: 0 };

const NUMBER = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/;

const shifted = (digits: bigint, places: number): bigint => digits * 10n ** BigInt(places);

/** Returns the shortest decimal that stands for a finite number. */
export const decimalOf = (value: number): Decimal => {
  if (Number.isSafeInteger(value)) return { digits: BigInt(value), scale: 0 };
  const [, whole = '0', fraction = '', exponent = '0'] = NUMBER.exec(String(value)) ?? [];
  const scale = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return scale < 0 ? { digits: shifted(digits, -scale), scale: 0 } : { digits, scale };
};

/** Returns the nearest number. */
export const toNumber = ({ digits, scale }: Decimal): number =>
  scale === 0 ? Number(digits) : Number(`${digits}e-${scale}`);

export const plus = (first: Decimal, second: Decimal): Decimal => {
  const places = first.scale - second.scale;
  if (places === 0) return { digits: first.digits + second.digits, scale: first.scale };
  return places > 0
    ? { digits: first.digits + shifted(second.digits, places), scale: first.scale }
    : { digits: shifted(first.digits, -places) + second.digits, scale: second.scale };
};

export const minus = (first: Decimal, { digits, scale }: Decimal): Decimal =>
  plus(first, { digits: -digits, scale });

export const isEqual = (first: Decimal, second: Decimal): boolean =>
  minus(first, second).digits === 0n;

export const times = (first: Decimal, second: Decimal): Decimal => ({
  digits: first.digits * second.digits,
  scale: first.scale + second.scale,
});

export const smaller = (first: Decimal, second: Decimal): Decimal =>
  minus(first, second).digits < 0n ? first : second;
