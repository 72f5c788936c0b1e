import type { Logger } from '@openfeature/web-sdk';
import type { Runtime, Values } from '@pennon/sync';

import type { LocalFlags } from './local-flags.ts';
import type { Evaluation } from './resolution.ts';
import type { ValueStorage } from './storage.ts';
import { REFRESH_TIMEOUT_MS } from './limits.ts';

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
   * if it is null, and with a warning if it has another shape or is for another targeting key.
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
  /** If false, the page does not report how often it evaluates each flag. */
  readonly usage?: boolean | undefined;
  /** How exposures and tracking events are sent; by default, and if null, with the defaults of its options. */
  readonly events?: EventOptions | null | undefined;
};

/** How the exposures of experiments, and what the page tracks, are sent. */
export type EventOptions = {
  /** If false, nothing is sent. */
  readonly enabled?: boolean | undefined;
  /** How long an event waits for others, in milliseconds; 2,000 by default. */
  readonly flushMs?: number | undefined;
  /** How many events may wait; 500 by default. */
  readonly queue?: number | undefined;
  /** Sends the SHA-256 of units, which requires HTTPS. The server then cannot verify which variants they should get. */
  readonly hashUnits?: boolean | undefined;
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
  'flags' in options && Boolean(options.flags);

/** What the URL of a server looks like, without variables that the build of a page did not fill in. */
const SERVER_URL = /^https?:\/\/[^\s/?#@%"'`<>{}$\\]+(\/[^\s?#"`<>{}$\\]*)?$/i;

/** Visible ASCII characters, without the start of a variable that the build of a page did not fill in. */
const API_KEY = /^(?!(undefined|null|None)$|["'`<%{]|\$[A-Z_({])[!-~]{1,512}$/;

/** Throws an error that is the fault of the application. */
export const fail = (problem: string): never => {
  throw new TypeError(`PennonWebProvider: ${problem}`);
};

const failForm = (name: string, form: string) => fail(`"${name}" must be ${form}`);

/** Throws if an option that is a number, which its name shows, is not above 0. */
const checkNumbers = (given: object): void => {
  for (const [name, value] of Object.entries(given))
    if (
      /Ms$|^queue$/.test(name) &&
      value !== undefined &&
      !(typeof value === 'number' && value > 0)
    )
      failForm(name, 'a number above 0');
};

/**
 * Rejects options that can never work, such as a setting that the build of the page did not fill in. What no build
 * changes, such as the names of options, is checked in development only.
 */
export const checkOptions = (options: PennonWebProviderOptions | undefined): void => {
  const given: Partial<OnlineOptions & FlagsOptions> = { ...options };
  checkNumbers(given);
  checkNumbers({ ...given.events });
  if (given.flags) return;
  if (!SERVER_URL.test(given.url ?? '')) failForm('url', 'the http or https URL of a server');
  if (!API_KEY.test(given.key ?? '')) failForm('key', 'an API key, without quotes and variables');
};

/** Returns how long a refresh may take. Throws if its options can never work. */
export const refreshTimeout = (options: RefreshOptions): number => {
  checkNumbers(options);
  return options.timeoutMs ?? REFRESH_TIMEOUT_MS;
};
