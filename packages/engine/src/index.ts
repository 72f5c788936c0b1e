import { compileWith, type Compile } from './compile.ts';
import { patterns } from './re2js.ts';

/**
 * Compiles a flag set; each flag is compiled when it is first evaluated. Never throws: a malformed flag is
 * evaluated to PARSE_ERROR and listed in `problems`, and other flags are not affected. Reuses unchanged
 * flags from `previous`. The flag set must not be changed in place afterwards.
 *
 * @example
 * const compiled = compile({
 *   flags: { 'new-checkout': { type: 'boolean', enabled: true, variants: { on: true, off: false }, defaultVariant: 'on' } },
 * });
 * evaluate(compiled, 'new-checkout', { targetingKey: 'ada' }); // { variant: 'on', value: true, … }
 */
export { unitOf } from './attributes.ts';
export const compile: Compile = compileWith(patterns);

export type { Compile } from './compile.ts';
export { dependentSteps } from './dependents.ts';
export { diffFlagSets, diffSteps, type ChangeHint, type FlagSetDiff } from './diff.ts';
export { evaluate, evaluateAll, evaluateFound, type Evaluations } from './evaluate.ts';
export { explain } from './explain.ts';
export { valueProblem } from './flags.ts';
export { draw, drawSeed, murmur3 } from './hash.ts';
export {
  findInexactNumbers,
  findInexactValue,
  inexactNumberMessage,
  isInexact,
} from './exact-numbers.ts';
export type { InexactNumber } from './exact-numbers.ts';
export type { CompiledFlagSet, LazyFlag } from './model.ts';
export { operatorTraits, type OperatorTraits } from './operators.ts';
export type { Finding, Problem } from './problems.ts';
export { patternProblem, references, type References } from './references.ts';
export { parseVersion } from './semver.ts';
export { workDone } from './work.ts';
export { expandRules, expandShortForm } from './short-form.ts';
export type {
  AdmissionTrace,
  ConditionTrace,
  Explanation,
  RuleOutcome,
  RuleTrace,
  SplitTrace,
  Trace,
} from './trace.ts';
