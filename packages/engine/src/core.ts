/** The engine without regular expressions, for applications that load them only if a flag needs them. */
export { compileWith, type Compile } from './compile.ts';
export { diffFlagSets, diffSteps, type ChangeHint, type FlagSetDiff } from './diff.ts';
export { evaluate, evaluateAll, type Evaluations } from './evaluate.ts';
export {
  findInexactNumbers,
  findInexactValue,
  inexactNumberMessage,
  isInexact,
} from './exact-numbers.ts';
export type { InexactNumber } from './exact-numbers.ts';
export type { CompiledFlagSet } from './model.ts';
export type { Finding, Problem } from './problems.ts';
export type { RegexEngine as Patterns } from './re2-subset.ts';
export { needsPatterns, patternProblem, references, type References } from './references.ts';
export { expandShortForm } from './short-form.ts';
