import { readFileSync } from 'node:fs';

/** How the server behaves: see "Statuses" in `packages/spec/README.md`. A number is the status of all responses. */
export type ServerBehavior =
  | 'normal'
  | 'cut-off'
  | 'evaluate-only'
  | 'evaluate-only-cut-off'
  | 'refused'
  | 'silent'
  | 'moved'
  | number;

/** The source age of a server that is cut off from its store. */
export const CUT_OFF_MS = 48_000;

export const isCutOff = (behavior: ServerBehavior): boolean =>
  typeof behavior === 'string' && behavior.endsWith('cut-off');

export type ExpectedEvaluation = {
  readonly flagKey?: string;
  readonly subject?: string;
  readonly value: boolean;
  readonly reason: string;
  readonly errorCode?: string;
};

export type Step = {
  readonly server: ServerBehavior;
  /** Only in the first step: `ok`, or the error code of the start. */
  readonly start?: string;
  readonly status: string;
  readonly evaluations: readonly ExpectedEvaluation[];
};

export type Situation = {
  readonly name: string;
  readonly mode: 'in-process' | 'remote' | 'offline' | 'web';
  readonly stored?: 'cacheFile' | 'bootstrap' | 'offlineFile' | 'flags' | 'storage';
  readonly options?: object;
  readonly startsAtOnce?: boolean;
  readonly steps: readonly Step[];
};

type Statuses = {
  readonly atOnceMs: number;
  readonly flagSet: { readonly environment: string; readonly flags: { readonly live: object } };
  readonly situations: readonly Situation[];
};

/** Reads the table of statuses that the providers of all languages run. */
export const readStatuses = (): Statuses => {
  const statuses: Statuses = JSON.parse(
    readFileSync(new URL('../../../spec/statuses.json', import.meta.url), 'utf8'),
  );
  return statuses;
};

/** The expected details of an evaluation, as `toMatchObject` compares them. */
export const detailsOf = ({ value, reason, errorCode }: ExpectedEvaluation) => ({
  value,
  reason,
  errorCode,
});
