import type { EvaluationContext, TrackingEventDetails } from '@openfeature/web-sdk';

import type { PennonWebProviderOptions } from '../../src/index.ts';

export type EmittedEvent = {
  readonly event: string;
  readonly flagsChanged?: string[];
};

type StartAll = (
  options: PennonWebProviderOptions & { readonly context?: EvaluationContext },
  domains: string[],
) => Promise<void>;

/** The API of the plain page for tests. */
export type PlainPage = {
  readonly emitted: EmittedEvent[];
  /** The URLs that the content security policy blocked. */
  readonly violations: string[];
  readonly start: (options: PennonWebProviderOptions, context: EvaluationContext) => Promise<void>;
  readonly setContext: (context: EvaluationContext) => Promise<void>;
  readonly valueOf: (key: string) => string;
  readonly status: () => string;
  /** The mode of the provider's connection, and its last error. */
  readonly mode: () => string | undefined;
  readonly lastError: () => string | undefined;
  readonly close: () => Promise<void>;
  readonly track: (name: string, details?: TrackingEventDetails) => void;
  readonly flush: () => Promise<boolean | undefined>;
  /** Starts a provider in each of these domains, with the domain as the targeting key unless there is a context. */
  readonly startAll: StartAll;
  /** Loads the script again, as another bundle with its own copy of the package. */
  readonly loadCopy: () => Promise<void>;
  /** The page of the other copy. */
  readonly copy?: PlainPage;
  /** Returns the status, the mode and the value of a flag in each domain of `startAll`. */
  readonly overview: (key: string) => string[];
};

declare global {
  var pennon: PlainPage;
}
