import type { Evaluation } from '@pennon/schema';

/** Whether one condition held, and why. `holds` already includes `not`. */
export type ConditionTrace = {
  readonly holds: boolean;
  readonly why: string;
  readonly not?: true;
} & (
  | { readonly kind: 'attribute'; readonly attribute: string; readonly operator: string }
  | {
      readonly kind: 'segment';
      readonly segment: string;
      readonly conditions: readonly ConditionTrace[];
    }
  | { readonly kind: 'flag'; readonly flag: string; readonly variants: readonly string[] }
  | { readonly kind: 'any' | 'all'; readonly conditions: readonly ConditionTrace[] }
);

/** The draw that admits a subject: its `draw` must be below the `threshold`. */
export type AdmissionTrace = {
  readonly percentage: number;
  readonly bucketBy: string;
  /** The bucketing value. */
  readonly unit: string;
  readonly draw: number;
  readonly threshold: number;
  readonly admitted: boolean;
};

/** The draw that picks a variant: its band contains the `draw`, and excludes `until`. */
export type SplitTrace = {
  readonly bucketBy: string;
  /** The bucketing value. */
  readonly unit: string;
  readonly draw: number;
  readonly bands: readonly {
    readonly variant: string;
    readonly weight: number;
    readonly from: number;
    readonly until: number;
  }[];
};

/** `unitMissing`: the attribute that `bucketBy` names has no value that can be hashed. */
export type RuleOutcome =
  'served' | 'conditionsFailed' | 'notAdmitted' | 'unitMissing' | 'notReached';

export type RuleTrace = {
  /** The index of the rule in its flag. */
  readonly rule: number;
  readonly ruleId?: string;
  readonly outcome: RuleOutcome;
  readonly why: string;
  readonly conditions: readonly ConditionTrace[];
  readonly admission?: AdmissionTrace;
  readonly split?: SplitTrace;
};

export type Trace = {
  /** The reason for the result in one sentence. */
  readonly why: string;
  readonly rules: readonly RuleTrace[];
  /** The number of rules and conditions that are left out, if a trace would exceed its limit. */
  readonly leftOut?: number;
};

/** The result of an evaluation, and how it came about. */
export type Explanation = Evaluation & { readonly trace: Trace };
