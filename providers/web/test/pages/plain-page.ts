import type { EvaluationContext } from '@openfeature/web-sdk';

import type { PennonWebProviderOptions } from '../../src/index.ts';

export type Told = {
  readonly event: string;
  readonly flagsChanged?: string[];
};

/** What the plain page lets a test do and see. */
export type PlainPage = {
  readonly told: Told[];
  /** What the content security policy has blocked. */
  readonly violations: string[];
  readonly start: (options: PennonWebProviderOptions, context: EvaluationContext) => Promise<void>;
  readonly setContext: (context: EvaluationContext) => Promise<void>;
  readonly valueOf: (key: string) => string;
  readonly status: () => string;
  readonly close: () => Promise<void>;
};

declare global {
  var pennon: PlainPage;
}
