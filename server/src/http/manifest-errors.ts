import { ERRORS, type ErrorCode, type PennonError } from '../errors.ts';

/** The prefix of the routes of OpenFeature's API for manifests. */
export const MANIFEST_API = '/openfeature/v0/manifest';

/** An error as the OpenFeature CLI reads it, and its code here. */
export type ManifestError = {
  readonly error: {
    readonly message: string;
    readonly status: number;
    readonly code: ErrorCode;
    readonly details?: readonly { readonly field: string; readonly message: string }[];
  };
};

export const isManifest = (url: string): boolean => url.startsWith('/openfeature/');

/** Returns the body of an error in the form that the OpenFeature CLI reads. */
export const manifestErrorBody = ({ code, message, extra }: PennonError): ManifestError => ({
  error: {
    message,
    status: ERRORS[code].http,
    code,
    ...(extra.details === undefined
      ? {}
      : {
          details: extra.details.map(({ path, message: text }) => ({ field: path, message: text })),
        }),
  },
});
