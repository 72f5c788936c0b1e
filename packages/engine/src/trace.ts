import type { Evaluation } from '@pennon/schema';

/** Whether one condition held, and why. `not` is already counted in `holds`. */
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

/** The draw that admits: a subject is admitted where its draw is below the threshold. */
export type AdmissionTrace = {
  readonly percentage: number;
  readonly bucketBy: string;
  readonly unit: string;
  readonly draw: number;
  readonly threshold: number;
  readonly admitted: boolean;
};

/** The draw that chooses: the variant whose band it falls in, from `from` to before `until`. */
export type SplitTrace = {
  readonly bucketBy: string;
  readonly unit: string;
  readonly draw: number;
  readonly bands: readonly {
    readonly variant: string;
    readonly weight: number;
    readonly from: number;
    readonly until: number;
  }[];
};

export type RuleOutcome =
  'served' | 'conditionsFailed' | 'notAdmitted' | 'unitMissing' | 'notReached';

export type RuleTrace = {
  /** The rule's place in the flag, from 0. */
  readonly rule: number;
  readonly ruleId?: string;
  readonly outcome: RuleOutcome;
  readonly why: string;
  readonly conditions: readonly ConditionTrace[];
  readonly admission?: AdmissionTrace;
  readonly split?: SplitTrace;
};

export type Trace = {
  /** The decision in one sentence. */
  readonly why: string;
  readonly rules: readonly RuleTrace[];
  /** How many rules and conditions are not shown, where a trace would grow beyond its bound. */
  readonly leftOut?: number;
};

/** An evaluation, and how it came about. */
export type Explanation = Evaluation & { readonly trace: Trace };
