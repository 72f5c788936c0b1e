import {
  API_KEY,
  isApiKey,
  isJsonObject,
  isServerUrl,
  SERVER_URL,
  unknownOption,
} from '@pennon/sync';
import type { OptionForm } from '@pennon/sync';

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

export const COMMENT = `a text of at most ${MAX_COMMENT_LENGTH} characters, not blank, without control characters`;
export const isComment = (comment: unknown): comment is string =>
  typeof comment === 'string' &&
  comment.trim() !== '' &&
  Array.from(comment).length <= MAX_COMMENT_LENGTH &&
  // A header cannot have them. Line breaks and tabs become spaces.
  !/[^\P{Cc}\s]/u.test(comment);

/** What each option must be. The type requires that no option is forgotten. */
const FORMS: Readonly<Record<keyof ApiClientOptions, OptionForm>> = {
  url: [
    // The client adds this route.
    url => isServerUrl(url) && !/\/trpc\/*$/i.test(String(url)),
    `${SERVER_URL}; the client adds "/trpc"`,
  ],
  key: [isApiKey, API_KEY],
  comment: [value => value === undefined || isComment(value), COMMENT],
  fetch: [value => value === undefined || typeof value === 'function', 'a function'],
};

/** Throws if an option can never work. The messages repeat no values, which may be secret. */
export const checkOptions = (options: ApiClientOptions): void => {
  if (!isJsonObject(options)) throw new TypeError('pass an object with "url" and "key"');
  const values: Readonly<Record<string, unknown>> = options;
  const problem = unknownOption(values, Object.keys(FORMS));
  if (problem !== undefined) throw new TypeError(problem);
  for (const [name, [isValid, form]] of Object.entries(FORMS))
    if (!isValid(values[name])) throw new TypeError(`"${name}" must be ${form}`);
};
