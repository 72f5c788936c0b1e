import type { Evaluation, Failed, NotServed, Served } from '@pennon/schema';

import type { Attributes, Read } from './attributes.ts';
import type { Contents } from './envelope.ts';
import type { OperatorEntry, ValueTest } from './operators.ts';
import type { Patterns } from './re2-subset.ts';
import type { Finding, Problem } from './problems.ts';

/**
 * Whether a condition holds for a context. `evaluationId` numbers the evaluation that asks, so that
 * another flag's answer is remembered within it and never beyond it.
 */
export type Holds = (context: Attributes, evaluationId: number) => boolean;

type Common = { readonly not: boolean; readonly holds: Holds };

export type AttributeCondition = Common & {
  readonly kind: 'attribute';
  readonly attribute: string;
  readonly operator: string;
  readonly entry: OperatorEntry;
  readonly operand: unknown;
  readonly read: Read;
  readonly test: ValueTest;
};
export type SegmentCondition = Common & {
  readonly kind: 'segment';
  readonly segment: string;
  readonly conditions: readonly CompiledCondition[];
};
export type FlagCondition = Common & {
  readonly kind: 'flag';
  readonly flag: string;
  readonly variants: readonly string[];
  readonly slot: Slot | undefined;
};
export type GroupCondition = Common & {
  readonly kind: 'any' | 'all';
  readonly conditions: readonly CompiledCondition[];
};
export type CompiledCondition =
  AttributeCondition | SegmentCondition | FlagCondition | GroupCondition;

export type CompiledSegment = {
  readonly conditions: readonly CompiledCondition[];
  readonly holds: Holds;
  readonly findings: readonly Finding[];
};

/** Who is admitted: the draw's inner hash, and the position below which subjects are admitted. */
export type Admission = {
  readonly inner: number;
  /** Nobody below, everybody at `DRAWS`; between them, where the draw must stay below. */
  readonly threshold: number;
  readonly bound: number;
};

/** One band of a split: it ends where the draw `until` begins, which is at the position `bound`. */
export type Band = {
  readonly variant: string;
  readonly weight: number;
  readonly until: number;
  readonly bound: number;
  readonly answer: Served;
};

/** What a rule serves to those whom it admits. */
export type Serve =
  | { readonly kind: 'variant'; readonly answer: Served }
  | { readonly kind: 'split'; readonly inner: number; readonly bands: readonly Band[] };

export type CompiledRule = {
  readonly id: string | undefined;
  readonly conditions: readonly CompiledCondition[];
  readonly holds: Holds;
  readonly admission: Admission;
  readonly serve: Serve;
  readonly bucketBy: string;
  readonly readUnit: Read;
  readonly unitMissing: Failed;
};

/** What a flag says before any rule is looked at: it is malformed, or it is disabled. */
export type FixedResult = Failed | NotServed;

/** A flag that is ready to be decided. */
export type CompiledFlag = {
  readonly key: string;
  readonly fixedResult: FixedResult | undefined;
  readonly rules: readonly CompiledRule[];
  readonly defaultResult: Evaluation;
  /** Whether a rule asks another flag, so that an evaluation needs a number. */
  readonly dependsOnFlags: boolean;
  readonly problems: readonly Problem[];
  /** The flags and segments that it names: where one of them changes, this flag is compiled anew. */
  readonly flags: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
  /** The longest chain of flag conditions below it. */
  readonly depth: number;
};

/** One flag of a set. It compiles when it is first evaluationId for, and shares what it is evaluationId within one evaluation. */
export type Slot = {
  readonly key: string;
  flag: CompiledFlag | undefined;
  evaluationId: number;
  answer: Evaluation | undefined;
};

/** A flag set that is ready to be evaluationId. What begins with a slot is the engine's own business. */
export type CompiledFlagSet = {
  /** The keys of its flags, malformed ones included. */
  readonly flagKeys: readonly string[];
  /** True for what is no flag set of a known format: whoever follows one keeps the set before. */
  readonly refused: boolean;
  /** Everything that is wrong with it. Asking compiles every flag. */
  readonly problems: readonly Problem[];
  readonly problemsOf: (flagKey: string) => readonly Problem[];
  /** What is wrong with a segment; nothing where there is none of that key. */
  readonly problemsOfSegment: (segmentKey: string) => readonly Finding[];
  readonly contents: Contents;
  readonly slots: ReadonlyMap<string, Slot>;
  readonly segments: ReadonlyMap<string, SegmentSlot>;
  /** The flag in a slot of this set, compiled now if it was not yet. */
  readonly ready: (slot: Slot) => CompiledFlag | undefined;
  /** What it is compiled with. */
  readonly patterns: Patterns | undefined;
};

/** One segment of a set, compiled when a flag first names it. */
export type SegmentSlot = { readonly compiled: () => CompiledSegment };
