import type { Evaluation, Served } from '@pennon/schema';

import type { AttributeReader, Attributes } from './attributes.ts';
import type { Contents } from './envelope.ts';
import type { OperatorEntry, ValueTest } from './operators.ts';
import type { PersistentMap } from './persistent-map.ts';
import type { Finding, Problem } from './problems.ts';
import type { RegexEngine } from './re2-subset.ts';

/**
 * Whether a condition holds for a context. `evaluationId` identifies the evaluation, within which the
 * result of another flag is memoized.
 */
export type Predicate = (context: Attributes, evaluationId: number) => boolean;

/** `holds` already includes `not`. */
type ConditionBase = { readonly not: boolean; readonly holds: Predicate };

export type CompiledAttributeCondition = ConditionBase & {
  readonly kind: 'attribute';
  readonly attribute: string;
  readonly operator: string;
  readonly entry: OperatorEntry;
  readonly operand: unknown;
  readonly read: AttributeReader;
  readonly test: ValueTest;
};
export type CompiledSegmentCondition = ConditionBase & {
  readonly kind: 'segment';
  readonly segment: string;
  readonly conditions: readonly CompiledCondition[];
};
export type CompiledFlagCondition = ConditionBase & {
  readonly kind: 'flag';
  readonly flag: string;
  readonly variants: readonly string[];
  readonly lazyFlag: LazyFlag | undefined;
};
export type CompiledGroup = ConditionBase & {
  readonly kind: 'any' | 'all';
  readonly conditions: readonly CompiledCondition[];
};
export type CompiledCondition =
  CompiledAttributeCondition | CompiledSegmentCondition | CompiledFlagCondition | CompiledGroup;

export type CompiledSegment = {
  readonly conditions: readonly CompiledCondition[];
  readonly holds: Predicate;
  readonly findings: readonly Finding[];
};

/** Which subjects a rule admits: those with a draw below the threshold. */
export type Admission = {
  readonly drawSeed: number;
  /** 0 admits no subject and `DRAWS` all of them, without a draw. */
  readonly threshold: number;
  /** The highest ordered hash with a draw below `threshold`. Not read if that is 0. */
  readonly lastHash: number;
};

/** One variant's part of a split, up to but excluding the draw `until`. */
export type Band = {
  readonly variant: string;
  readonly weight: number;
  readonly until: number;
  /** The highest ordered hash with a draw below `until`. */
  readonly lastHash: number;
  readonly result: Served;
};

/** What a rule serves to the subjects that it admits. */
export type Serve =
  | { readonly kind: 'variant'; readonly result: Served }
  | { readonly kind: 'split'; readonly drawSeed: number; readonly bands: readonly Band[] };

export type CompiledRule = {
  readonly id: string | undefined;
  readonly conditions: readonly CompiledCondition[];
  readonly holds: Predicate;
  readonly admission: Admission;
  readonly serve: Serve;
  readonly bucketBy: string;
  readonly readUnit: AttributeReader;
  /** Returns the result if the conditions hold; undefined if the rule does not admit the subject. */
  readonly resultFor: (context: Attributes) => Evaluation | undefined;
};

export type CompiledFlag = {
  readonly key: string;
  /** The result for every context, if the flag is malformed, is disabled or has no rules. */
  readonly fixedResult: Evaluation | undefined;
  readonly rules: readonly CompiledRule[];
  /** Returns the result for a context if there is no fixed one. */
  readonly resultFor: (context: Attributes, evaluationId: number) => Evaluation;
  readonly defaultResult: Evaluation;
  /** Whether a condition evaluates another flag, so that the evaluation needs an id. */
  readonly dependsOnFlags: boolean;
  readonly problems: readonly Problem[];
  /** The keys of the flags in its conditions. */
  readonly referencedFlags: ReadonlySet<string>;
  /** The length of the longest chain of flag conditions that starts here. */
  readonly depth: number;
};

/** One flag of a set, compiled on first use, with the result of the last evaluation that reached it. */
export type LazyFlag = {
  readonly key: string;
  compiled: CompiledFlag | undefined;
  /** The evaluation that `result` belongs to. */
  evaluationId: number;
  result: Evaluation | undefined;
  /** The units of work that `result` took. */
  work: number;
};

/** One segment of a set, compiled when a flag that refers to it is compiled. */
export type LazySegment = { readonly compiled: () => CompiledSegment };

/** A flag set that is ready to be evaluated. The fields from `contents` on are internal to the engine. */
export type CompiledFlagSet = {
  /** The keys of all flags, including malformed ones. */
  readonly flagKeys: readonly string[];
  /** Whether it is not a flag set of a known format. Followers then keep the previous set. */
  readonly refused: boolean;
  /** All problems of the set. Reading them compiles every flag. */
  readonly problems: readonly Problem[];
  readonly problemsOf: (flagKey: string) => readonly Problem[];
  /** The problems of a segment; empty if there is no such segment. */
  readonly problemsOfSegment: (segmentKey: string) => readonly Finding[];
  readonly contents: Contents;
  readonly lazyFlags: PersistentMap<LazyFlag>;
  readonly lazySegments: PersistentMap<LazySegment>;
  /** Compiles a flag of this set on first use. */
  readonly compiledFlag: (lazyFlag: LazyFlag) => CompiledFlag | undefined;
  readonly regexEngine: RegexEngine | undefined;
};
