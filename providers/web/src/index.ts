export type { Keeper } from './copy.ts';
export type { Freshness } from './known.ts';
export type { PennonWebProviderOptions } from './provider.ts';
export { PennonWebProvider } from './provider.ts';
export type { Evaluation } from './resolve.ts';
