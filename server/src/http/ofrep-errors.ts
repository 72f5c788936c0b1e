import type { PennonError } from '../errors.ts';

/** The prefix of the routes of the OpenFeature Remote Evaluation Protocol. */
export const OFREP_API = '/ofrep/v1';

const EVALUATION_CODES: ReadonlySet<string> = new Set([
  'FLAG_NOT_FOUND',
  'TARGETING_KEY_MISSING',
  'PARSE_ERROR',
  'INVALID_CONTEXT',
]);

export type OfrepError = {
  /** Absent if the request is for all flags. */
  readonly key?: string;
  readonly errorCode: string;
  readonly errorDetails: string;
};

export const isOfrep = (url: string): boolean => url.startsWith('/ofrep/');

/** Returns the body of an error in the form that clients of the protocol read. */
export const ofrepErrorBody = (url: string, error: PennonError): OfrepError => {
  const key = flagKeyIn(url);
  return {
    ...(key === undefined ? {} : { key }),
    errorCode: codeOf(error),
    errorDetails: error.message,
  };
};

/** A flag that is malformed is not a failure of the server: clients read a code from the status 400. */
export const ofrepStatus = ({ code }: PennonError, status: number): number =>
  code === 'PARSE_ERROR' ? 400 : status;

const codeOf = (error: PennonError): string => {
  if (EVALUATION_CODES.has(error.code)) return error.code;
  return isAboutContext(error) ? 'INVALID_CONTEXT' : 'GENERAL';
};

/** The body as a whole, and its context. */
const BODY_PATHS: ReadonlySet<string> = new Set(['', 'context']);

const isAboutContext = ({ code, extra }: PennonError): boolean =>
  code === 'BAD_REQUEST' &&
  (extra.isMalformed === true || extra.details?.some(({ path }) => BODY_PATHS.has(path)) === true);

/** Returns the flag that a URL names, even if its path is not valid. Other parts of the path may be encoded. */
const flagKeyIn = (url: string): string | undefined => {
  const [, part] = /^\/ofrep\/v1\/[^/?]+\/[^/?]+\/([^?]*)/.exec(url) ?? [];
  if (part === undefined) return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};
