import type { EvaluationContext } from '@openfeature/web-sdk';

import type { PennonWebProviderOptions } from '../../src/index.ts';

/** The API of the React page for tests. */
export type ReactPage = {
  /** The number of renders of each component. */
  readonly renders: Record<string, number>;
  readonly violations: string[];
  /** Sets the provider, and renders before there are values. */
  readonly start: (options: PennonWebProviderOptions, context: EvaluationContext) => void;
  readonly setContext: (context: EvaluationContext) => Promise<void>;
};

declare global {
  var pennonReact: ReactPage;
}
