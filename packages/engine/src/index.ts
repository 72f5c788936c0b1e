export type { Compile } from './compile.ts';
export { compile } from './complete.ts';
export { dependentsOf, diffFlagSets, type FlagSetDiff } from './diff.ts';
export { evaluate, evaluateAll, type Evaluations } from './evaluate.ts';
export { explain } from './explain.ts';
export { draw, drawSeed, murmur3 } from './hash.ts';
export type { CompiledFlagSet } from './model.ts';
export { operatorTraits, type OperatorTraits } from './operators.ts';
export type { Finding, Problem } from './problems.ts';
export { references, type References } from './references.ts';
export { expandShortForm } from './short-form.ts';
export type {
  AdmissionTrace,
  ConditionTrace,
  Explanation,
  RuleOutcome,
  RuleTrace,
  SplitTrace,
  Trace,
} from './trace.ts';
