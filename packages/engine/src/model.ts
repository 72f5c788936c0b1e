import type { Evaluation, Failed, NotServed, Served } from '@pennon/schema';

import type { AttributeReader, Attributes } from './attributes.ts';
import type { Contents } from './envelope.ts';
import type { OperatorEntry, ValueTest } from './operators.ts';
import type { Finding, Problem } from './problems.ts';
import type { Patterns } from './re2-subset.ts';

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
  readonly slot: Slot | undefined;
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
  readonly hashSeed: number;
  /** 0 admits no subject and `DRAWS` all of them, without a draw. */
  readonly threshold: number;
  /** The signed hash at which the draw `threshold` begins. */
  readonly upperBound: number;
};

/** One variant's part of a split. It ends before the draw `until`, which begins at the hash `upperBound`. */
export type Band = {
  readonly variant: string;
  readonly weight: number;
  readonly until: number;
  readonly upperBound: number;
  readonly result: Served;
};

/** What a rule serves to the subjects that it admits. */
export type Serve =
  | { readonly kind: 'variant'; readonly result: Served }
  | { readonly kind: 'split'; readonly hashSeed: number; readonly bands: readonly Band[] };

export type CompiledRule = {
  readonly id: string | undefined;
  readonly conditions: readonly CompiledCondition[];
  readonly holds: Predicate;
  readonly admission: Admission;
  readonly serve: Serve;
  readonly bucketBy: string;
  readonly readBucketBy: AttributeReader;
  readonly targetingKeyMissing: Failed;
};

/** The result of a flag that is malformed or disabled, for every context. */
export type FixedResult = Failed | NotServed;

export type CompiledFlag = {
  readonly key: string;
  readonly fixedResult: FixedResult | undefined;
  readonly rules: readonly CompiledRule[];
  readonly defaultResult: Evaluation;
  /** Whether a condition evaluates another flag, so that the evaluation needs an id. */
  readonly dependsOnFlags: boolean;
  readonly problems: readonly Problem[];
  /** The flags and segments that it refers to. If one of them changes, the flag is compiled again. */
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
  /** The length of the longest chain of flag conditions that starts here. */
  readonly depth: number;
};

/** One flag of a set. Compiled lazily. Its result is memoized within one evaluation. */
export type Slot = {
  readonly key: string;
  flag: CompiledFlag | undefined;
  evaluationId: number;
  result: Evaluation | undefined;
};

/** One segment of a set, compiled when a flag first refers to it. */
export type SegmentSlot = { readonly compiled: () => CompiledSegment };

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
  readonly slots: ReadonlyMap<string, Slot>;
  readonly segments: ReadonlyMap<string, SegmentSlot>;
  /** Returns the flag of a slot of this set, and compiles it on first use. */
  readonly compiledFlag: (slot: Slot) => CompiledFlag | undefined;
  /** The regular expressions that it was compiled with. */
  readonly patterns: Patterns | undefined;
};
