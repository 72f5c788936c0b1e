import type { EvaluationContext } from '@openfeature/web-sdk';

import type { PennonWebProviderOptions } from '../../src/index.ts';

/** What the page made with React lets a test do and see. */
export type ReactPage = {
  /** How often each flag's component has rendered. */
  readonly renders: Record<string, number>;
  readonly violations: string[];
  /** Sets the provider and renders at once, before there are values. */
  readonly start: (options: PennonWebProviderOptions, context: EvaluationContext) => void;
  readonly setContext: (context: EvaluationContext) => Promise<void>;
};

declare global {
  var pennonReact: ReactPage;
}
