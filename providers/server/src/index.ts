export type { FlagClient, FlagKey } from './flag-client.ts';
export type { LocalFlags } from './flag-file.ts';
export type {
  EventOptions,
  FlagsOptions,
  OfflineOptions,
  OnlineOptions,
  PennonProviderOptions,
  RefreshOptions,
} from './options.ts';
export { PennonProvider } from './provider.ts';
export type { Bootstrap, ExposeOptions, Snapshot } from './provider.ts';
export type { CachedEvaluation, EvaluationResult, Unavailable } from './resolution.ts';
export type { Freshness } from './sources.ts';
