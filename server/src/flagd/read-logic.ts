import { isJsonObject, isScalar, type JsonObject, type Scalar } from '@pennon/schema';

import { isSameAttribute } from './attribute-names.ts';
import type { Logic } from './logic.ts';
import { Unsupported } from './unsupported.ts';

/** One operator of JsonLogic with its operands. */
export type Operation = { readonly operator: string; readonly operands: readonly Logic[] };

export const operationOf = (logic: Logic): Operation | undefined => {
  if (!isJsonObject(logic)) return undefined;
  const [entry, ...others] = Object.entries(logic);
  if (entry === undefined || others.length > 0) return undefined;
  const [operator, operands] = entry;
  return { operator, operands: Array.isArray(operands) ? operands : [operands] };
};

/** The operators that flagd also accepts with one operand that is not in a list. */
const UNARY: ReadonlySet<string> = new Set(['!', '!!', 'var', 'merge']);

/** Throws if flagd refuses the shape of an operation. */
export const requireOperation = (logic: JsonObject): JsonObject => {
  const [operator = '', ...others] = Object.keys(logic);
  if (operator === '' || others.length > 0) return refuse(logic, 'must have one operator');
  return UNARY.has(operator) || isList(logic[operator])
    ? logic
    : refuse(logic, 'must have its operands in a list');
};

/** The operands of a logic if it has this operator. */
export const operandsOf = (
  logic: Logic | undefined,
  operator: string,
): readonly Logic[] | undefined => {
  const operation = operationOf(logic ?? null);
  return operation?.operator === operator ? operation.operands : undefined;
};

/** The name of the attribute that a logic reads; empty for the item of a list. */
export const readName = (logic: Logic | undefined): string | undefined => {
  const operands = operandsOf(logic, 'var');
  const [name] = operands ?? [];
  return operands?.length === 1 && typeof name === 'string' ? name : undefined;
};

/** The name of the attribute that a logic reads. Throws if Pennon reads another one by this name. */
export const readAttribute = (logic: Logic | undefined): string | undefined => {
  const name = readName(logic);
  if (name === undefined || name === '') return undefined;
  return isSameAttribute(name)
    ? name
    : refuse({ var: name }, 'reads an attribute that Pennon cannot read as flagd does');
};

/** The least and the most operands of the operators that Pennon can express. */
const OPERAND_COUNTS: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ['!', [1, 1]],
  ['!!', [1, 1]],
  ['and', [1, Infinity]],
  ['or', [1, Infinity]],
  ['<', [2, 3]],
  ['<=', [2, 3]],
  ['>', [2, 3]],
  ['>=', [2, 3]],
  ['==', [2, 2]],
  ['===', [2, 2]],
  ['!=', [2, 2]],
  ['!==', [2, 2]],
  ['in', [2, 2]],
  ['some', [2, 2]],
  ['none', [2, 2]],
  ['starts_with', [2, 2]],
  ['ends_with', [2, 2]],
  ['sem_ver', [3, 3]],
]);

/** Throws if flagd would ignore an operand, or compare with one that is missing. */
export const requireOperands = ({ operator, operands }: Operation): void => {
  const [least, most] = OPERAND_COUNTS.get(operator) ?? [0, Infinity];
  if (operands.length < least || operands.length > most)
    refuse({ [operator]: operands }, 'has too few or too many operands');
};

export const equalLogic = (left: Logic | undefined, right: Logic): boolean =>
  JSON.stringify(left) === JSON.stringify(right);

export const isList = (logic: Logic | undefined): logic is readonly Logic[] => Array.isArray(logic);

export const scalarsOf = (logic: Logic | undefined): Scalar[] | undefined =>
  isList(logic) && logic.every(isScalar) ? [...logic] : undefined;

const MAX_SHOWN = 200;

/** Throws the problem of a part of a logic that Pennon cannot express. */
export const refuse = (logic: Logic, reason = 'has a part that Pennon cannot express'): never => {
  const text = JSON.stringify(logic);
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  throw new Unsupported(`${reason}: ${shown}`);
};
