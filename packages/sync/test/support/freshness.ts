import { readFileSync } from 'node:fs';

import { expect } from 'vitest';

/** See "Freshness" in `packages/spec/README.md`. */
export type FreshnessEvent =
  | 'start'
  | 'silence'
  | 'response'
  | 'cut-off'
  | 'current'
  | 'away'
  | 'back'
  | 'freeze'
  | 'sleep'
  | 'clock'
  | 'failure'
  | 'close';

export type FreshnessStep = {
  readonly event: FreshnessEvent;
  readonly ms?: number;
  readonly status?: string;
  readonly mode: string;
  readonly minDataAgeMs?: number;
  readonly maxDataAgeMs?: number;
};

type FreshnessCase = { readonly name: string; readonly steps: readonly FreshnessStep[] };

/** Reads the cases that the providers of all languages run. */
export const readFreshnessCases = (): readonly FreshnessCase[] => {
  const { cases }: { readonly cases: readonly FreshnessCase[] } = JSON.parse(
    readFileSync(new URL('../../../spec/freshness.json', import.meta.url), 'utf8'),
  );
  return cases;
};

const IMMEDIATE: ReadonlySet<FreshnessEvent> = new Set(['freeze', 'sleep', 'clock']);

/** What a test does with a provider of its kind. */
export type FreshnessSubject = {
  readonly cause: (step: FreshnessStep) => Promise<void>;
  readonly evaluate: () => unknown;
  readonly status: () => string;
  readonly freshness: () => { readonly mode: string; readonly dataAgeMs: number | undefined };
  readonly advance: (ms: number) => Promise<void>;
};

/** Checks one step. Evaluates first, because that is when a pause must be noticed. */
export const checkFreshness = async (
  { cause, evaluate, status, freshness, advance }: FreshnessSubject,
  step: FreshnessStep,
): Promise<void> => {
  await cause(step);
  const isReached = (): boolean =>
    freshness().mode === step.mode && (step.status === undefined || status() === step.status);
  if (IMMEDIATE.has(step.event)) evaluate();
  else for (let second = 0; second < 200 && !isReached(); second += 1) await advance(1_000);
  const { mode, dataAgeMs = 0 } = freshness();
  expect({ status: status(), mode }).toMatchObject({
    mode: step.mode,
    ...(step.status !== undefined && { status: step.status }),
  });
  expect(dataAgeMs).toBeGreaterThanOrEqual(step.minDataAgeMs ?? 0);
  expect(dataAgeMs).toBeLessThanOrEqual(step.maxDataAgeMs ?? Infinity);
};
