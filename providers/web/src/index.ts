export type { ValueStorage } from './persistence.ts';
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
export type { Freshness } from './value-store.ts';
