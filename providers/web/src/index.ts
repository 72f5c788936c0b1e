export type { ValueStorage } from './persistence.ts';
export { PennonWebProvider } from './provider.ts';
export type { PennonWebProviderOptions } from './provider.ts';
export type { Evaluation } from './resolution.ts';
export type { Freshness } from './value-store.ts';
