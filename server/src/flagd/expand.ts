import { isJsonObject, type JsonObject } from '@pennon/schema';

import { variable, type Logic } from './logic.ts';
import { isList, operandsOf, refuse, requireOperation } from './read-logic.ts';
import { SEGMENT_PREFIX } from './references.ts';
import { Unsupported } from './unsupported.ts';

/** Values that the rules of one flag may have with all that is inserted into them. */
const MAX_VALUES = 100_000;

export const referenceOf = (logic: Logic): string | undefined => {
  const name = isJsonObject(logic) ? logic['$ref'] : undefined;
  return typeof name === 'string' ? name : undefined;
};

/** flagd replaces references in the text of a file: by name, in the order of the evaluators, and each once. */
const requireInsertable = (
  reference: JsonObject,
  evaluators: JsonObject,
  within: string | undefined,
): void => {
  const name = referenceOf(reference) ?? '';
  if (!Object.hasOwn(evaluators, name))
    throw new Unsupported(`refers to the evaluator "${name}", which the file lacks`);
  if (JSON.stringify(reference) !== `{"$ref":"${name}"}`)
    refuse(reference, 'must have only "$ref", with a name without quotes and backslashes');
  const names = Object.keys(evaluators);
  if (within !== undefined && names.indexOf(name) <= names.indexOf(within))
    throw new Unsupported(
      `refers in the evaluator "${within}" to "${name}", which must be a later evaluator: flagd inserts them in their order`,
    );
  if (/\$[$&`']/.test(JSON.stringify(evaluators[name])))
    throw new Unsupported(
      `refers to the evaluator "${name}", in which flagd replaces a "$" before one of $&\`'`,
    );
};

/** JsonLogic also has the name of an attribute in a list, before a default value. */
const withoutList = (logic: Logic): Logic => {
  const [name, fallback = null, ...others] = operandsOf(logic, 'var') ?? [];
  if (typeof name !== 'string') return logic;
  return fallback === null && others.length === 0
    ? variable(name)
    : refuse(logic, 'must read an attribute without a default value');
};

/**
 * Inserts the evaluators that a logic refers to, as flagd does, and writes attributes in one form. References to
 * segments stay. `within` is the evaluator that has the logic.
 */
export const expand = (logic: Logic, evaluators: JsonObject, within?: string): Logic => {
  let values = 0;
  const visit = (each: Logic, evaluator: string | undefined): Logic => {
    values += 1;
    if (values > MAX_VALUES)
      throw new Unsupported('is too large with the evaluators that it refers to');
    if (isList(each)) return each.map(item => visit(item, evaluator));
    if (!isJsonObject(each)) return each;
    const name = referenceOf(each);
    if (name === undefined) return withoutList(visitOperands(requireOperation(each), evaluator));
    requireInsertable(each, evaluators, evaluator);
    return name.startsWith(SEGMENT_PREFIX) ? each : visit(evaluators[name] ?? null, name);
  };
  const visitOperands = (operation: JsonObject, evaluator: string | undefined): JsonObject =>
    Object.fromEntries(
      Object.entries(operation).map(([operator, operands]) => [
        operator,
        visit(operands, evaluator),
      ]),
    );
  return visit(logic, within);
};
