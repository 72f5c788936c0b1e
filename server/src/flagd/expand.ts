import { isJsonObject, type JsonObject } from '@pennon/schema';

import { variable, type Logic } from './logic.ts';
import { isList, operandsOf, refuse } from './read-logic.ts';
import { SEGMENT_PREFIX } from './references.ts';
import { Unsupported } from './unsupported.ts';

/** Values that the rules of one flag may have with all that is inserted into them. */
const MAX_VALUES = 100_000;

export const referenceOf = (logic: Logic): string | undefined => {
  const name = isJsonObject(logic) ? logic['$ref'] : undefined;
  return typeof name === 'string' ? name : undefined;
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
 * segments stay.
 */
export const expand = (logic: Logic, evaluators: JsonObject): Logic => {
  let values = 0;
  const visit = (each: Logic, within: readonly string[]): Logic => {
    values += 1;
    if (values > MAX_VALUES)
      throw new Unsupported('is too large with the evaluators that it refers to');
    if (isList(each)) return each.map(item => visit(item, within));
    if (!isJsonObject(each)) return each;
    const name = referenceOf(each);
    if (name === undefined)
      return withoutList(
        Object.fromEntries(Object.entries(each).map(([key, value]) => [key, visit(value, within)])),
      );
    return name.startsWith(SEGMENT_PREFIX)
      ? each
      : visit(evaluatorOf(name, within), [...within, name]);
  };
  const evaluatorOf = (name: string, within: readonly string[]): Logic => {
    const found = Object.hasOwn(evaluators, name) ? evaluators[name] : undefined;
    if (found === undefined)
      throw new Unsupported(`refers to the evaluator "${name}", which the file lacks`);
    if (within.includes(name))
      throw new Unsupported(`refers to the evaluator "${name}", which refers to itself`);
    return found;
  };
  return visit(logic, []);
};
