import { readFileSync } from 'node:fs';

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

type Report = {
  readonly mode: string;
  readonly status: string | undefined;
  readonly isAgeWithinLimits: boolean;
};

/** What a provider must report after a step. */
export const expectedAfter = ({ mode, status }: FreshnessStep): Report => ({
  mode,
  status,
  isAgeWithinLimits: true,
});

/** Causes the event, and returns what the provider reports. Evaluates first, because a pause is noticed then. */
export const reportAfter = async (
  { cause, evaluate, status, freshness, advance }: FreshnessSubject,
  step: FreshnessStep,
): Promise<Report> => {
  await cause(step);
  const isReached = (): boolean =>
    freshness().mode === step.mode && (step.status === undefined || status() === step.status);
  if (IMMEDIATE.has(step.event)) evaluate();
  else for (let second = 0; second < 200 && !isReached(); second += 1) await advance(1_000);
  const { mode, dataAgeMs = 0 } = freshness();
  const { minDataAgeMs = 0, maxDataAgeMs = Infinity } = step;
  return {
    mode,
    status: step.status === undefined ? undefined : status(),
    isAgeWithinLimits: minDataAgeMs <= dataAgeMs && dataAgeMs <= maxDataAgeMs,
  };
};
