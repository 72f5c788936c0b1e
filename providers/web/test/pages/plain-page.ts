import type { EvaluationContext } from '@openfeature/web-sdk';

import type { PennonWebProviderOptions } from '../../src/index.ts';

export type EmittedEvent = {
  readonly event: string;
  readonly flagsChanged?: string[];
};

/** The API of the plain page for tests. */
export type PlainPage = {
  readonly emitted: EmittedEvent[];
  /** The URLs that the content security policy blocked. */
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
