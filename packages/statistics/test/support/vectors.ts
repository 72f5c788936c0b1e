import * as statistics from '../../src/index.ts';

type Tolerance = { readonly relative?: number; readonly absolute?: number };

/** A known result of the function that `call` names. */
export type Vector = Tolerance & {
  readonly id: string;
  readonly call: string;
  readonly input: never;
  readonly expected: unknown;
};

/** A file of known results. A case may name a tolerance of its own. */
export type VectorFile = Tolerance & { readonly cases: readonly Vector[] };

/** Rounding leaves this much where 0 is expected. */
const ZERO = 1e-12;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const isCallable = (value: unknown): value is (input: never) => unknown =>
  typeof value === 'function';

/** Finds an exported function by a path such as `normal.sf`, and calls it. */
const call = ({ call: path, input }: Vector): unknown => {
  const found = path
    .split('.')
    .reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), statistics);
  if (!isCallable(found)) throw new Error(`this package has no function "${path}"`);
  return found(input);
};

const fits = (got: unknown, expected: unknown, tolerance: Required<Tolerance>): boolean => {
  if (typeof got !== 'number' || typeof expected !== 'number') return got === expected;
  const distance = Math.abs(got - expected);
  if (expected === 0) return distance <= Math.max(tolerance.relative && ZERO, tolerance.absolute);
  return distance <= tolerance.relative * Math.abs(expected) + tolerance.absolute;
};

/** Compares the expected fields only, at any depth. */
export const compare = (
  path: string,
  got: unknown,
  expected: unknown,
  tolerance: Required<Tolerance>,
): string[] => {
  if (!isObject(expected))
    return fits(got, expected, tolerance)
      ? []
      : [`${path}: got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`];
  const lengths = Array.isArray(expected) ? [['length', expected.length] as const] : [];
  return [...Object.entries(expected), ...lengths].flatMap(([key, value]) =>
    compare(`${path}.${key}`, isObject(got) ? got[key] : undefined, value, tolerance),
  );
};

/** Returns a line for each field that differs from a known result. */
export const differences = (vector: Vector, file: Tolerance): string[] => {
  const relative = vector.relative ?? file.relative ?? 1e-9;
  const absolute = vector.absolute ?? file.absolute ?? 0;
  try {
    return compare(vector.id, call(vector), vector.expected, { relative, absolute });
  } catch (error) {
    return [`${vector.id}: ${error instanceof Error ? error.message : String(error)}`];
  }
};
