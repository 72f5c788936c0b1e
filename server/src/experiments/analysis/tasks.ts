import { computePlan } from './plan.ts';
import { computeGuardrails } from './ramp.ts';
import { computeHealth, computeResults } from './results.ts';

/** What the thread of the statistics computes. */
export const TASKS = {
  results: computeResults,
  health: computeHealth,
  plan: computePlan,
  guardrails: computeGuardrails,
} as const;

export type Tasks = typeof TASKS;
export type TaskName = keyof Tasks;
