export type ApiClientOptions = {
  /** The address of the server, such as `https://flags.example.com`. */
  readonly url: string;
  /** An API key. It is sent in a header, never in a URL. */
  readonly key: string;
  /**
   * Why changes are made, for the audit log: at most 500 characters. A single change can have its own:
   * `api.flags.update.mutate(input, { context: { comment: 'OPS-17' } })`.
   */
  readonly comment?: string | undefined;
  /** Defaults to the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
};

/** The server refuses longer comments. */
const MAX_COMMENT_LENGTH = 500;

export const COMMENT = `a text of at most ${MAX_COMMENT_LENGTH} characters`;
export const isComment = (comment: unknown): comment is string =>
  typeof comment === 'string' && Array.from(comment).length <= MAX_COMMENT_LENGTH;

/** An address to which a path can be appended. `fetch` refuses one with credentials. */
const ADDRESS = /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/i;

type Form = readonly [isValid: (value: unknown) => boolean, form: string];

/** What each option must be. The type requires that no option is forgotten. */
const FORMS: Readonly<Record<keyof ApiClientOptions, Form>> = {
  url: [
    value => typeof value === 'string' && ADDRESS.test(value) && URL.canParse(value),
    'the address of the server, such as "http://127.0.0.1:4400", without user, password, query and fragment',
  ],
  // An unset environment variable would be sent as the text "undefined".
  key: [
    value => typeof value === 'string' && /^[\x21-\x7e]+$/.test(value),
    'an API key: visible ASCII characters without spaces',
  ],
  comment: [value => value === undefined || isComment(value), COMMENT],
  fetch: [value => value === undefined || typeof value === 'function', 'a function'],
};

/** Throws if an option can never work. The messages repeat no values, which may be secret. */
export const checkOptions = (options: ApiClientOptions): void => {
  const values: Readonly<Record<string, unknown>> = options;
  const names = Object.keys(FORMS);
  const unknown = Object.keys(values).find(name => !names.includes(name));
  if (unknown !== undefined)
    throw new TypeError(`there is no option "${unknown}"; the options are ${names.join(', ')}`);
  for (const [name, [isValid, form]] of Object.entries(FORMS))
    if (!isValid(values[name])) throw new TypeError(`${name} must be ${form}`);
};
