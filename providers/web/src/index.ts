export type { Keeper } from './persistence.ts';
export type { Freshness } from './value-store.ts';
export type { PennonWebProviderOptions } from './provider.ts';
export { PennonWebProvider } from './provider.ts';
export type { Evaluation } from './resolve.ts';
