import { isJsonObject } from './json.ts';
import { isServerUrl } from './server-url.ts';

const pairsOf = (text: string): string[] => {
  const letters = text.toLowerCase().replaceAll(/[-_]/g, '');
  return Array.from(letters.slice(1), (letter, index) => `${letters[index]}${letter}`);
};

/** Returns how similar two names are, from 0 to 1: the share of pairs of adjacent letters that both have. */
const similarity = (a: string, b: string): number => {
  const pairs = pairsOf(b);
  const shared = pairsOf(a).filter(pair => pairs.includes(pair)).length;
  return (2 * shared) / (a.length + b.length - 2);
};

/** Returns what is wrong with the names of options, or of fields, or undefined if all are known. */
export const unknownOption = (
  options: object,
  known: readonly string[],
  kind: 'option' | 'field' = 'option',
): string | undefined => {
  const name = Object.keys(options).find(given => !known.includes(given));
  if (name === undefined) return undefined;
  const nearest = known.reduce((a, b) => (similarity(name, b) > similarity(name, a) ? b : a));
  return similarity(name, nearest) < 0.5
    ? `there is no ${kind} "${name}"; the ${kind}s are ${known.join(', ')}`
    : `there is no ${kind} "${name}"; did you mean "${nearest}"?`;
};

/** What the provider or the connection sets, or what would change the meaning of a request or its body. */
const RESERVED_HEADERS =
  /^(?:accept-encoding|authorization|connection|content-.*|expect|host|if-.*|keep-alive|last-event-id|proxy-.*|range|te|trailer|transfer-encoding|upgrade|x-api-key)$/i;

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/** Whether a value has headers by name that the provider and the connection do not set. */
export const areHeaders = (headers: unknown): headers is Readonly<Record<string, string>> => {
  // An instance of `Headers` or `Map` has no properties, so it would be ignored.
  const isPlain = Object.prototype.toString.call(headers) === '[object Object]';
  if (!isPlain || !isJsonObject(headers)) return false;
  const names = Object.keys(headers);
  return (
    new Set(names.map(name => name.toLowerCase())).size === names.length &&
    names.every(name => HEADER_NAME.test(name) && !RESERVED_HEADERS.test(name)) &&
    Object.values(headers).every(value => typeof value === 'string' && /^[ -~]*$/.test(value))
  );
};

/** The quotes of another file, a variable that was not replaced, and the text of a missing value. */
const NOT_FILLED_IN =
  /^(?:(["'`]).*\1|\$[A-Z_][A-Z\d_]*|[$%]?\{.*\}|\$\(.*\)|<.*>|%\w+%|undefined|null|None)$/;

/** Whether a value is visible ASCII text without spaces, as every API key is. */
export const isApiKey = (key: unknown): boolean =>
  typeof key === 'string' && /^[!-~]{1,512}$/.test(key) && !NOT_FILLED_IN.test(key);

/** What the URL of a server must be. */
export const SERVER_URL =
  'the URL of a server, such as "https://flags.example.com" or "http://10.0.0.7:4400/flags": without user, password, query and fragment, without patterns, variables and "/api/v1", and with a port that "fetch" does not block';

/** What an API key must be. */
export const API_KEY =
  'an API key: visible ASCII characters, no spaces, no quotes around it, and not a variable that was not replaced';

type ConnectionOptions = {
  readonly url?: unknown;
  readonly key?: unknown;
  readonly headers?: unknown;
  readonly fetch?: unknown;
};

/**
 * Returns what is wrong with the options for the connection to a server, or undefined. The texts do not repeat
 * values, which may be secret. `names` are those of other places that `url` and `key` come from.
 */
export const connectionProblem = (
  { url, key, headers = {}, fetch }: ConnectionOptions,
  names = { url: '"url"', key: '"key"' },
): string | undefined => {
  if (!isServerUrl(url)) return `${names.url} must be ${SERVER_URL}`;
  if (!isApiKey(key)) return `${names.key} must be ${API_KEY}`;
  if (fetch !== undefined && typeof fetch !== 'function') return '"fetch" must be a function';
  return areHeaders(headers)
    ? undefined
    : '"headers" must have visible ASCII text by name, each name once, and none that the provider or the connection sets, such as "authorization", "x-api-key" and "host"';
};

/** The options that are at least this many milliseconds. Others are only more than 0. */
const SHORTEST: Readonly<Record<string, number>> = { pollIntervalMs: 1 };

/** Returns what is wrong with options that are milliseconds. `longest` has the upper limit of each. */
export const durationProblem = (
  options: object,
  longest: Readonly<Record<string, number>>,
): string | undefined => {
  const values: [string, unknown][] = Object.entries(options);
  const invalid = values.find(([name, value]) => {
    const limit = longest[name];
    const isValid =
      typeof value === 'number' &&
      value > 0 &&
      value >= (SHORTEST[name] ?? 0) &&
      value <= (limit ?? 0);
    return limit !== undefined && value !== undefined && !isValid;
  });
  if (invalid === undefined) return undefined;
  const [name] = invalid;
  const lower = name in SHORTEST ? `of at least ${SHORTEST[name]}` : 'greater than 0';
  return `"${name}" must be a number of milliseconds ${lower}, and at most ${longest[name]}`;
};

/** What the values of an option must be: a test, and its description. */
export type OptionForm = readonly [isValid: (value: unknown) => boolean, form: string];

/** Returns what is wrong with options whose values have another form, or undefined. */
export const formProblem = (
  options: object,
  forms: Readonly<Record<string, OptionForm>>,
): string | undefined => {
  for (const [name, value] of Object.entries(options)) {
    const form = forms[name];
    if (form && value !== undefined && !form[0](value)) return `"${name}" must be ${form[1]}`;
  }
  return undefined;
};

/** Returns what is wrong with options that have no effect beside the option `origin`, or undefined. */
export const originProblem = (
  options: object,
  origin: string,
  allowed: readonly string[],
): string | undefined => {
  const given: [string, unknown][] = Object.entries(options);
  const other = given.find(
    ([name, value]) => value !== undefined && ![origin, ...allowed].includes(name),
  );
  return other && `"${origin}" cannot be combined with "${other[0]}"; remove one of them`;
};

/** Whether the value is an object with these functions. */
export const hasMethods = (value: unknown, ...names: readonly string[]): boolean =>
  isJsonObject(value) && names.every(name => typeof value[name] === 'function');

export const LOGGER: OptionForm = [
  value => hasMethods(value, 'warn'),
  'a logger with a function "warn"',
];

export const BOOLEAN: OptionForm = [value => typeof value === 'boolean', 'true or false'];
