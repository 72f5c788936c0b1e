import { isJsonObject } from './json.ts';

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

const URL_FORM = /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/i;

/** Whether a value is the URL of a server, without user, password, query and fragment. */
export const isServerUrl = (url: unknown): boolean => {
  try {
    // `URL` alone accepts much that no request can use, and `URL.canParse` is missing in older browsers.
    return typeof url === 'string' && URL_FORM.test(url) && new URL(url).port !== '0';
  } catch {
    return false;
  }
};

/** The name and the value of a header on two lines, unless the provider or the connection sets it. */
const HEADER_FORM =
  /^(?!(authorization|connection|content-(length|type)|expect|host|if-none-match|keep-alive|last-event-id|proxy-.*|te|trailer|transfer-encoding|upgrade)\n)[\w!#$%&'*+.^`|~-]+\n[ -~]*$/i;

/** Whether a value has headers by name that the provider and the connection do not set. */
export const areHeaders = (headers: unknown): boolean =>
  isJsonObject(headers) &&
  // An instance of `Headers` or `Map` has no properties, so it would be ignored.
  Object.prototype.toString.call(headers) === '[object Object]' &&
  Object.entries(headers).every(
    ([name, value]) => typeof value === 'string' && HEADER_FORM.test(`${name}\n${value}`),
  );

/** Whether a value is visible ASCII text without spaces, as every API key is. */
export const isApiKey = (key: unknown): boolean => typeof key === 'string' && /^[!-~]+$/.test(key);

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
  if (!isServerUrl(url))
    return `${names.url} must be the URL of a server, such as "https://flags.example.com", without user, password, query and fragment`;
  if (!isApiKey(key)) return `${names.key} must be an API key: visible ASCII characters, no spaces`;
  if (fetch !== undefined && typeof fetch !== 'function') return '"fetch" must be a function';
  return areHeaders(headers)
    ? undefined
    : '"headers" must have visible ASCII text by name, and none that the provider sets, such as "authorization"';
};

/** Returns what is wrong with options that are milliseconds. `longest` has the upper limit of each. */
export const durationProblem = (
  options: object,
  longest: Readonly<Record<string, number>>,
): string | undefined => {
  const values: [string, unknown][] = Object.entries(options);
  const invalid = values.find(([name, value]) => {
    const limit = longest[name];
    const isValid = typeof value === 'number' && value > 0 && value <= (limit ?? 0);
    return limit !== undefined && value !== undefined && !isValid;
  });
  return (
    invalid &&
    `"${invalid[0]}" must be a number of milliseconds greater than 0, and at most ${longest[invalid[0]]}`
  );
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
