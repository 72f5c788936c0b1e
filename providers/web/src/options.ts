import type { Logger } from '@openfeature/web-sdk';
import type { OptionForm, Runtime, Values } from '@pennon/sync';
import {
  areHeaders,
  BOOLEAN,
  hasMethods,
  isApiKey,
  isJsonObject,
  isServerUrl,
  localKeyProblem,
  LOGGER,
  LONGEST_TIMER_MS,
} from '@pennon/sync';

import type { LocalFlags } from './local-flags.ts';
import { isValues } from './persistence.ts';
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

const milliseconds = (longest: number, shortest = 0): OptionForm => [
  value => typeof value === 'number' && value > 0 && value >= shortest && value <= longest,
  `a number of milliseconds ${shortest ? `of at least ${shortest}` : 'greater than 0'}, and at most ${longest}`,
];

/** The headers that a browser leaves out of the requests of a page, and that `areHeaders` permits. */
const OF_BROWSER =
  /^(accept-charset|access-control-.*|cookie2?|date|dnt|origin|referer|sec-.*|set-cookie|via)$/i;

/** The types of the options of events. */
const EVENT_TYPES: Readonly<Record<string, string>> = {
  enabled: 'boolean',
  hashUnits: 'boolean',
  flushMs: 'number',
  queue: 'number',
} satisfies Record<keyof EventOptions, string>;

const areEventOptions = (events: unknown): boolean =>
  isJsonObject(events) &&
  Object.entries(events).every(
    ([name, value]) =>
      Object.hasOwn(EVENT_TYPES, name) &&
      (value === undefined || typeof value === EVENT_TYPES[name]) &&
      (typeof value !== 'number' || (Number.isInteger(value) && value > 0)),
  );

/** What each option must be, in few words, because pages load them. The type requires that none is forgotten. */
const FORMS: Readonly<Record<keyof OnlineOptions | keyof FlagsOptions, OptionForm>> = {
  url: [
    isServerUrl,
    'the http or https URL of a server, with a port that browsers permit and without variables',
  ],
  key: [isApiKey, 'an API key, without quotes and variables'],
  bootstrap: [value => typeof value === 'object', 'an object or null'],
  initTimeoutMs: milliseconds(Infinity),
  storage: [
    value => value === null || hasMethods(value, 'getItem', 'setItem', 'removeItem'),
    'a storage, such as sessionStorage, or null',
  ],
  storageMaxAgeMs: milliseconds(Infinity),
  stream: BOOLEAN,
  pollIntervalMs: milliseconds(LONGEST_TIMER_MS, 1),
  headers: [
    areHeaders,
    'ASCII text by name, each name once, and none that the provider or HTTP sets',
  ],
  fetch: [value => typeof value === 'function', 'a function'],
  usage: BOOLEAN,
  events: [
    areEventOptions,
    'an object with booleans "enabled" and "hashUnits", and whole numbers "flushMs" and "queue" of at least 1',
  ],
  flags: [isJsonObject, 'an object with flags or values by key'],
  logger: LOGGER,
};

/** Throws an error that is the fault of the application. */
export const fail = (problem: string): never => {
  throw new TypeError(`PennonWebProvider: ${problem}`);
};

/** Rejects options that can never work, such as a setting that the build of the page did not fill in. */
export const checkOptions = (options: PennonWebProviderOptions | undefined): void => {
  const problem = problemOf(options);
  if (problem !== undefined) fail(problem);
};

const REFRESH_TIMEOUT_MS = 2_000;

/** Returns how long a refresh may take. Throws if its options can never work. */
export const refreshTimeout = (options: RefreshOptions): number => {
  if (!isJsonObject(options)) fail('pass an object with "timeoutMs"');
  const { timeoutMs = REFRESH_TIMEOUT_MS } = options;
  const [isValid, form] = FORMS.initTimeoutMs;
  const problem =
    unknownName(options, ['timeoutMs'], 'option') ??
    (isValid(timeoutMs) ? undefined : `"timeoutMs" must be ${form}`);
  if (problem !== undefined) fail(problem);
  return timeoutMs;
};

/** Returns a warning about an option that has no effect, if there is one. */
export const optionWarning = ({
  bootstrap,
  storage,
  storageMaxAgeMs,
}: Partial<OnlineOptions>): string | undefined => {
  if (bootstrap && !isValues(bootstrap))
    return '"bootstrap" has no effect without "revision" and "evaluations": pass the result of "toBootstrap"';
  return storage === null && storageMaxAgeMs !== undefined
    ? '"storageMaxAgeMs" has no effect, because "storage" is null'
    : undefined;
};

/** Returns a sentence about the first name that is not known, or undefined. */
export const unknownName = (
  named: object,
  known: readonly string[],
  kind: string,
): string | undefined => {
  const name = Object.keys(named).find(given => !known.includes(given));
  return name === undefined
    ? undefined
    : `there is no ${kind} "${name}"; the ${kind}s are ${known.join(', ')}`;
};

const problemOf = (options: PennonWebProviderOptions | undefined): string | undefined => {
  if (!isJsonObject(options)) return 'pass an object with "url" and "key", or with "flags"';
  const given: Readonly<Record<string, unknown>> = options;
  const { flags, headers } = given;
  const isLocal = flags !== undefined;
  const names = Object.keys(FORMS);
  const isUsed = (name: string) => given[name] !== undefined;
  const isRequired = (name: string) => !isLocal && (name === 'url' || name === 'key');
  const wrong = Object.entries(FORMS).find(
    ([name, [isValid]]) => (isUsed(name) || isRequired(name)) && !isValid(given[name]),
  );
  const ofBrowser = isJsonObject(headers)
    ? Object.keys(headers).find(name => OF_BROWSER.test(name))
    : undefined;
  const other = names.find(name => isUsed(name) && name !== 'flags' && name !== 'logger');
  return (
    unknownName(given, names, 'option') ??
    (wrong && `"${wrong[0]}" must be ${wrong[1][1]}`) ??
    (ofBrowser && `"headers" cannot have "${ofBrowser}", which only the browser sets`) ??
    (isLocal && other
      ? `"flags" cannot be combined with "${other}"; remove one of them`
      : undefined) ??
    (isJsonObject(flags) ? localKeyProblem(flags) : undefined)
  );
};
