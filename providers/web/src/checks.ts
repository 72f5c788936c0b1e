import type { OptionForm } from '@pennon/sync';
import {
  areHeaders,
  BOOLEAN,
  hasMethods,
  isApiKey,
  isJsonObject,
  isServerUrl,
  localFlagProblem,
  localKeyProblem,
  LOGGER,
  LONGEST_TIMER_MS,
} from '@pennon/sync';

import type { LocalFlags } from './local-flags.ts';
import { fail, hasFlags } from './options.ts';
import { isValues } from './persistence.ts';
import type {
  EventOptions,
  FlagsOptions,
  OnlineOptions,
  PennonWebProviderOptions,
  RefreshOptions,
} from './options.ts';

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
  events === null ||
  (isJsonObject(events) &&
    Object.entries(events).every(
      ([name, value]) =>
        Object.hasOwn(EVENT_TYPES, name) &&
        (value === undefined || typeof value === EVENT_TYPES[name]) &&
        (typeof value !== 'number' || (Number.isInteger(value) && value > 0)),
    ));

/** What each option must be. The type requires that none is forgotten. */
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
    'null, or an object with booleans "enabled" and "hashUnits", and whole numbers "flushMs" and "queue" of at least 1',
  ],
  flags: [isJsonObject, 'an object with flags or values by key'],
  logger: LOGGER,
};

/** Rejects options that can never work, such as a setting that the build of the page did not fill in. */
export const checkOptions = (options: PennonWebProviderOptions | undefined): void => {
  const problem = problemOf(options);
  if (problem !== undefined) fail(problem);
  if (options !== undefined && hasFlags(options)) checkFlags(options.flags);
};

/** Throws if the options of a refresh can never work. */
export const checkRefresh = (options: RefreshOptions): void => {
  if (!isJsonObject(options)) fail('pass an object with "timeoutMs"');
  const { timeoutMs } = options;
  const [isValid, form] = FORMS.initTimeoutMs;
  const problem =
    unknownName(options, ['timeoutMs'], 'option') ??
    (timeoutMs === undefined || isValid(timeoutMs) ? undefined : `"timeoutMs" must be ${form}`);
  if (problem !== undefined) fail(problem);
};

/** Throws if a flag of the option `flags`, or its key, can never work. */
export const checkFlags = (flags: LocalFlags): void => {
  const problem = problemOf({ flags });
  if (problem !== undefined) fail(problem);
  for (const [key, flag] of Object.entries(flags)) {
    const wrong = localFlagProblem(flag, (fields, known) => unknownName(fields, known, 'field'));
    if (wrong !== undefined) fail(`the flag "${key}": ${wrong}`);
  }
};

/** Returns a warning about an option that has no effect, if there is one. */
export const optionWarning = ({
  bootstrap,
  storage,
  storageMaxAgeMs,
}: Partial<OnlineOptions>): string | undefined => {
  if (bootstrap && !isValues(bootstrap))
    return '"bootstrap" has no effect: pass the result of "toBootstrap"';
  return storage === null && storageMaxAgeMs !== undefined
    ? '"storageMaxAgeMs" has no effect, because "storage" is null'
    : undefined;
};

/** Returns a sentence about the first name that is not known, or undefined. */
const unknownName = (named: object, known: readonly string[], kind: string): string | undefined => {
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
