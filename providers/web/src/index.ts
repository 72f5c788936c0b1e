export type { FlagClient, FlagKey } from './flag-client.ts';
export type { LocalFlags } from './local-flags.ts';
export type {
  Bootstrap,
  EventOptions,
  FlagsOptions,
  OnlineOptions,
  PennonWebProviderOptions,
  RefreshOptions,
} from './options.ts';
export { PennonWebProvider } from './provider.ts';
export type { Evaluation } from './resolution.ts';
export type { ValueStorage } from './storage.ts';
export type { Freshness } from './reconciler.ts';
