import { evaluate, explain, workDone, type Explanation } from '@pennon/engine';
import type { EvaluationContext } from '@pennon/schema';

import { invalid } from '../errors.ts';
import type { ValidationBase } from '../resources/validate.ts';
import { nextTurn } from '../slices.ts';

/** The units of work of one response: what five of the most costly evaluations take. */
const MAX_WORK = 50_000_000;
/** Of an evaluation with a trace, which the engine does not count. */
const WORK_OF_TRACE = 10_000;
/** The traces of one response, as JSON. */
const MAX_TRACE_BYTES = 2_097_152;
/** The values and all else of its evaluations. */
const MAX_RESULT_BYTES = 8_388_608;

/** Evaluates a flag with a trace. Resolves with null if there is no such flag. */
type Explain = (
  base: ValidationBase,
  flagKey: string,
  context: EvaluationContext,
) => Promise<Explanation | null>;

/**
 * Returns how to evaluate the flags of one response, all together within bounds of work and size. Once their traces
 * have reached their bound, which can be hundreds of times the size of the request, the others have none.
 */
export const createExplainer = (): Explain => {
  let [work, resultBytes, traceBytes] = [0, 0, 0];
  return async (base, flagKey, context) => {
    await nextTurn();
    if (!base.flagSet.flags.has(flagKey)) return null;
    if (work > MAX_WORK) throw tooMuchWork();
    const isTraced = traceBytes < MAX_TRACE_BYTES;
    const explanation = (isTraced ? explainTraced : explainUntraced)(base, flagKey, context);
    work += workDone() + WORK_OF_TRACE;
    traceBytes += Buffer.byteLength(JSON.stringify(explanation.trace));
    resultBytes += Buffer.byteLength(resultOf(explanation));
    if (resultBytes > MAX_RESULT_BYTES) throw tooLarge();
    return explanation;
  };
};

const explainTraced = (
  { compiled }: ValidationBase,
  flagKey: string,
  context: EvaluationContext,
): Explanation => explain(compiled, flagKey, context);

const explainUntraced = (
  { compiled, flagSet }: ValidationBase,
  flagKey: string,
  context: EvaluationContext,
): Explanation => ({
  ...evaluate(compiled, flagKey, context),
  trace: { why: LEFT_OUT, rules: [], leftOut: flagSet.flags.get(flagKey)?.rules?.length ?? 0 },
});

const LEFT_OUT = `not traced: the traces of a response have at most ${MAX_TRACE_BYTES} bytes`;

/** Returns what an application sees of an evaluation, as text. */
export const resultOf = (explanation: Explanation | null): string => {
  if (explanation === null) return '';
  const { trace: _trace, ...result } = explanation;
  return JSON.stringify(result);
};

const tooMuchWork = () =>
  invalid([{ path: '', message: 'takes too much work: send fewer or smaller contexts' }]);

const tooLarge = () =>
  invalid([
    {
      path: '',
      message: `has results of more than ${MAX_RESULT_BYTES} bytes together: evaluate fewer flags, or for fewer contexts`,
    },
  ]);
