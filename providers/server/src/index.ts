export type { Answer, Unavailable } from './answer.ts';
export type { Freshness } from './feed.ts';
export type { OfflineOptions, OnlineOptions, PennonProviderOptions } from './options.ts';
export { PennonProvider } from './provider.ts';
export type { Snapshot } from './provider.ts';
