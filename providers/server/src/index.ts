export type { OfflineOptions, OnlineOptions, PennonProviderOptions } from './options.ts';
export { PennonProvider } from './provider.ts';
export type { Snapshot } from './provider.ts';
export type { EvaluationResult, Unavailable } from './resolution.ts';
export type { Freshness } from './sources.ts';
