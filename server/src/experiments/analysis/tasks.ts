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

/** A task with its input, and the number that its reply repeats. */
export type TaskRequest = { readonly id: number; readonly task: TaskName; readonly input: unknown };
export type TaskReply = { readonly id: number } & (
  { readonly result: unknown } | { readonly error: unknown }
);
