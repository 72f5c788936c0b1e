import type { Logger } from '@openfeature/web-sdk';
import type { Runtime, Values } from '@pennon/sync';
import { isApiKey, isJsonObject, ownValue } from '@pennon/sync';

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
  /** How exposures and tracking events are sent. */
  readonly events?: EventOptions | undefined;
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
  'flags' in options && options.flags !== undefined;

type Forms = Readonly<Record<string, string>>;

/**
 * What each option must be, in few words, because pages load them. The form has the name of its JavaScript type.
 * `checks.ts` has further rules, and longer texts. The type requires that no option is forgotten.
 */
const FORMS: Readonly<Record<keyof OnlineOptions | keyof FlagsOptions, string>> = {
  url: 'a string',
  key: 'a string',
  bootstrap: 'an object or null',
  initTimeoutMs: 'a number above 0',
  storage: 'an object or null',
  storageMaxAgeMs: 'a number above 0',
  stream: 'a boolean',
  pollIntervalMs: 'a number above 0',
  headers: 'an object',
  fetch: 'a function',
  usage: 'a boolean',
  events: 'an object',
  flags: 'an object',
  logger: 'an object',
};
const EVENT_FORMS: Readonly<Record<keyof EventOptions, string>> = {
  enabled: 'a boolean',
  flushMs: FORMS.initTimeoutMs,
  queue: FORMS.initTimeoutMs,
  hashUnits: 'a boolean',
};

/** What the URL of a server looks like, without variables that the build of a page did not fill in. */
const SERVER_URL = /^https?:\/\/[^\s/?#@%"'`<>{}$\\]+(\/[^\s?#"`<>{}$\\]*)?$/i;

/** Throws an error that is the fault of the application. */
export const fail = (problem: string): never => {
  throw new TypeError(`PennonWebProvider: ${problem}`);
};

const isOfForm = (value: unknown, form: string): boolean =>
  form.includes(value === null ? 'null' : typeof value) && (typeof value !== 'number' || value > 0);

/** Throws if a name is not known, or a value has another form. */
const checkForms = (given: object, forms: Forms): void => {
  for (const [name, value] of Object.entries(given)) {
    const form =
      ownValue(forms, name) ??
      fail(`there is no option "${name}"; the options are ${Object.keys(forms).join(', ')}`);
    if (value !== undefined && !isOfForm(value, form)) fail(`"${name}" must be ${form}`);
  }
};

/** Rejects options that can never work, such as a setting that the build of the page did not fill in. */
export const checkOptions = (options: PennonWebProviderOptions | undefined): void => {
  if (!isJsonObject(options)) return fail('pass an object with "url" and "key", or with "flags"');
  const { url, key, events = {}, flags }: Partial<OnlineOptions & FlagsOptions> = options;
  checkForms(options, FORMS);
  checkForms(events, EVENT_FORMS);
  if (flags !== undefined) {
    if (url !== undefined) fail('"flags" cannot be combined with "url"; remove one of them');
  } else if (!SERVER_URL.test(String(url))) fail('"url" must be the http or https URL of a server');
  else if (!isApiKey(key)) fail('"key" must be an API key, without quotes and variables');
};

const REFRESH_TIMEOUT_MS = 2_000;

/** Returns how long a refresh may take. Throws if its options can never work. */
export const refreshTimeout = (options: RefreshOptions): number => {
  checkForms(options, { timeoutMs: FORMS.initTimeoutMs });
  return options.timeoutMs ?? REFRESH_TIMEOUT_MS;
};
