import type { Logger } from '@openfeature/web-sdk';
import type { OptionForm, Runtime, Values } from '@pennon/sync';
import {
  BOOLEAN,
  connectionProblem,
  durationProblem,
  formProblem,
  hasMethods,
  isJsonObject,
  LOGGER,
  LONGEST_TIMER_MS,
  originProblem,
  unknownOption,
} from '@pennon/sync';

import type { LocalFlags } from './local-flags.ts';
import type { ValueStorage } from './persistence.ts';
import type { Evaluation } from './resolution.ts';

type CommonOptions = {
  /** Receives a warning when the values may be out of date; the logger of OpenFeature by default. */
  readonly logger?: Logger | undefined;
};

/** Values from a server. */
export type OnlineOptions = CommonOptions & {
  /** The URL of the server, such as `https://flags.example.com`. */
  readonly url: string;
  /** A key with the role `client`. It may be public, and can read only flags that are `clientVisible`. */
  readonly key: string;
  /**
   * The response of `POST /api/v1/evaluations` for the first context, which a server put into the page, or the
   * result of `toBootstrap` of the server provider. The provider is ready with these values at once. Ignored
   * if it is null, has another shape, or is for another targeting key.
   */
  readonly bootstrap?: Bootstrap | null | undefined;
  /** How long to wait for the first values, and for those of a new context; 2,000 by default. */
  readonly initTimeoutMs?: number | undefined;
  /** Where to store the last values: `localStorage` by default, or nowhere if null. */
  readonly storage?: ValueStorage | null | undefined;
  /** Stored values that are older are not used. By default they never expire. */
  readonly storageMaxAgeMs?: number | undefined;
  /** If false, the provider only polls. */
  readonly stream?: boolean | undefined;
  /** The time between polls while there is no stream; 30,000 by default. */
  readonly pollIntervalMs?: number | undefined;
  /** Headers to add to each request. The server must allow them, because they make requests not simple. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Replaces the global `fetch`. */
  readonly fetch?: Runtime['fetch'] | undefined;
};

/** Values for tests and demonstrations, without any server. */
export type FlagsOptions = CommonOptions & {
  /** The value of each flag, or the flag in the short form, without rules. `setFlags` replaces them. */
  readonly flags: LocalFlags;
};

/** The options of `refresh`. */
export type RefreshOptions = {
  /** How long to wait for the server, in milliseconds; 2,000 by default. */
  readonly timeoutMs?: number | undefined;
};

export type PennonWebProviderOptions = OnlineOptions | FlagsOptions;

/** Values that a page comes with, and the targeting key that they were evaluated for, if it is known. */
export type Bootstrap = Values<Evaluation> & { readonly targetingKey?: string };

export const hasFlags = (options: PennonWebProviderOptions): options is FlagsOptions =>
  'flags' in options && options.flags !== undefined;

/** The type requires that no option is forgotten. */
const NAMES: Record<keyof OnlineOptions | keyof FlagsOptions, true> = {
  url: true,
  key: true,
  bootstrap: true,
  initTimeoutMs: true,
  storage: true,
  storageMaxAgeMs: true,
  stream: true,
  pollIntervalMs: true,
  headers: true,
  fetch: true,
  flags: true,
  logger: true,
};

/** The options that are milliseconds, with the longest. */
const DURATIONS = {
  initTimeoutMs: Infinity,
  storageMaxAgeMs: Infinity,
  pollIntervalMs: LONGEST_TIMER_MS,
};

const FORMS: Readonly<Record<string, OptionForm>> = {
  stream: BOOLEAN,
  logger: LOGGER,
  bootstrap: [value => typeof value === 'object', 'an object or null'],
  storage: [
    value => value === null || hasMethods(value, 'getItem', 'setItem', 'removeItem'),
    'a storage with "getItem", "setItem" and "removeItem", or null',
  ],
};

/** Rejects options that can never work, such as a setting that the build of the page did not fill in. */
export const checkOptions = (options: PennonWebProviderOptions | undefined): void => {
  const problem = problemOf(options);
  if (problem !== undefined) throw new TypeError(`PennonWebProvider: ${problem}`);
};

const problemOf = (options: PennonWebProviderOptions | undefined): string | undefined => {
  if (typeof options !== 'object' || options === null)
    return 'pass an object with "url" and "key", or with "flags"';
  const unknown = unknownOption(options, Object.keys(NAMES));
  if (unknown !== undefined) return unknown;
  if (hasFlags(options) && !isJsonObject(options.flags))
    return '"flags" must be an object with flags or values by key';
  const wrong = formProblem(options, FORMS);
  if (wrong !== undefined) return wrong;
  return hasFlags(options)
    ? originProblem(options, 'flags', ['logger'])
    : (connectionProblem(options) ?? durationProblem(options, DURATIONS));
};
