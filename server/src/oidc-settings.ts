import { readFileSync } from 'node:fs';

import { z } from 'zod';

import { isLoopback } from './addresses.ts';
import { errorMessage } from './error-message.ts';

/** Whether a text is an address of HTTP and has nothing else, such as a query. */
const isAddress = (text: string): boolean => {
  if (!/^https?:\/\/[^\s?#@\\]+$/.test(text)) return false;
  return URL.canParse(text);
};

/** Whether no other machine can read what is sent to an address. */
const isPrivate = (address: string): boolean => {
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || isLoopback(hostname);
};

/** Scopes as OAuth 2.0 defines them. */
const SCOPES = /^[!#-[\]-~]+( [!#-[\]-~]+)*$/;

/** The settings of the provider of OpenID Connect, by environment variable. */
export const OIDC_SETTINGS = {
  PENNON_URL: z
    .string()
    .refine(
      isAddress,
      'must be the address at which browsers reach the server, such as https://flags.example.com',
    )
    .optional()
    .describe('Address at which browsers reach the server, with its base path, for OIDC.'),
  PENNON_OIDC_ISSUER: z
    .string()
    .refine(isAddress, 'must be the issuer of the provider, such as https://login.example.com')
    .refine(
      issuer => !isAddress(issuer) || isPrivate(issuer),
      'must begin with https://, or be an address of this machine',
    )
    .optional()
    .describe('Issuer of the provider of OpenID Connect that people sign in with.'),
  PENNON_OIDC_CLIENT_ID: z
    .string()
    .regex(/^[\x20-\x7e]+$/, 'must consist of visible ASCII characters')
    .optional()
    .describe('Client id of this installation at the provider.'),
  PENNON_OIDC_CLIENT_SECRET: z
    .string()
    .optional()
    .describe('Client secret of this installation at the provider, if it has one.'),
  PENNON_OIDC_CLIENT_SECRET_FILE: z
    .string()
    .optional()
    .describe('File with the client secret, in place of PENNON_OIDC_CLIENT_SECRET.'),
  PENNON_OIDC_SCOPES: z
    .string()
    .regex(SCOPES, 'must be scopes with one space between them')
    .refine(scopes => scopes.split(' ').includes('openid'), 'must have the scope "openid"')
    .default('openid profile email')
    .describe('Scopes that are requested from the provider.'),
  PENNON_OIDC_GROUPS_CLAIM: z
    .string()
    .default('groups')
    .describe('Claim that has the groups of a person at the provider.'),
  PENNON_OIDC_NAME: z
    .string()
    .max(60, 'must have at most 60 characters')
    .default('SSO')
    .describe('Name of the provider on the button to sign in.'),
};

const Shape = z.object(OIDC_SETTINGS);
type Values = z.infer<typeof Shape>;

/** Other settings that the provider depends on. */
type Context = {
  readonly PENNON_BASE_PATH?: string | undefined;
  readonly PENNON_INSECURE_COOKIES: number;
};

/** The provider of OpenID Connect that people sign in with. */
export type OidcSettings = {
  /** With a slash at the end, if it has no path. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly scopes: string;
  readonly groupsClaim: string;
  /** What people call the provider. */
  readonly name: string;
  /** Where browsers reach this server, with the base path and without a slash at the end. */
  readonly url: string;
};

const NEED_ISSUER = [
  'PENNON_OIDC_CLIENT_ID',
  'PENNON_OIDC_CLIENT_SECRET',
  'PENNON_OIDC_CLIENT_SECRET_FILE',
  'PENNON_OIDC_SCOPES',
  'PENNON_OIDC_GROUPS_CLAIM',
  'PENNON_OIDC_NAME',
] as const satisfies readonly (keyof Values)[];

const DEFAULTS = Shape.parse({});

/** Returns a problem for each setting that has no effect with the others, or that others require. */
export const oidcProblems = (settings: Values & Context): string[] =>
  settings.PENNON_OIDC_ISSUER === undefined
    ? NEED_ISSUER.filter(name => settings[name] !== DEFAULTS[name]).map(
        name => `${name}: has no effect without a provider; set PENNON_OIDC_ISSUER, or remove it`,
      )
    : [clientIdProblem(settings), secretProblem(settings), urlProblem(settings)].filter(
        problem => problem !== undefined,
      );

const clientIdProblem = ({ PENNON_OIDC_CLIENT_ID: clientId }: Values): string | undefined =>
  clientId === undefined
    ? 'PENNON_OIDC_CLIENT_ID: must be set with PENNON_OIDC_ISSUER, to the client id at the provider'
    : undefined;

const secretProblem = ({
  PENNON_OIDC_CLIENT_SECRET: secret,
  PENNON_OIDC_CLIENT_SECRET_FILE: file,
}: Values): string | undefined => {
  if (file === undefined) return undefined;
  if (secret !== undefined)
    return 'PENNON_OIDC_CLIENT_SECRET: has no effect with PENNON_OIDC_CLIENT_SECRET_FILE; remove one of them';
  try {
    if (readSecret(file) !== '') return undefined;
    return 'PENNON_OIDC_CLIENT_SECRET_FILE: must be a file with the client secret, and it is empty';
  } catch (error) {
    return `PENNON_OIDC_CLIENT_SECRET_FILE: must be a file that the server can read: ${errorMessage(error)}`;
  }
};

/** Editors and `echo` end a file with a line break, which is not part of the secret. */
const readSecret = (file: string): string => readFileSync(file, 'utf8').replace(/\r?\n$/, '');

/** Returns why the provider could not send browsers back to PENNON_URL. */
const urlProblem = (settings: Values & Context): string | undefined => {
  const { PENNON_URL: url, PENNON_BASE_PATH: basePath, PENNON_INSECURE_COOKIES } = settings;
  if (url === undefined)
    return 'PENNON_URL: must be set with PENNON_OIDC_ISSUER, to the address at which browsers reach the server';
  if (pathOf(url) !== (basePath ?? ''))
    return basePath === undefined
      ? 'PENNON_URL: must not have a path, because PENNON_BASE_PATH is unset'
      : `PENNON_URL: must end with PENNON_BASE_PATH, which is "${basePath}"`;
  return isPrivate(url) || PENNON_INSECURE_COOKIES === 1
    ? undefined
    : 'PENNON_URL: must begin with https://, because browsers keep the cookie of a session over HTTPS only; PENNON_INSECURE_COOKIES=1 permits http://';
};

const pathOf = (url: string): string => new URL(url).pathname.replace(/\/$/, '');

/** Returns the provider, if there is one. The settings must have no problems. */
export const oidcOf = (settings: Values): OidcSettings | undefined => {
  const { PENNON_OIDC_ISSUER: issuer, PENNON_OIDC_CLIENT_ID: clientId, PENNON_URL: url } = settings;
  if (issuer === undefined || clientId === undefined || url === undefined) return undefined;
  const { PENNON_OIDC_CLIENT_SECRET: secret, PENNON_OIDC_CLIENT_SECRET_FILE: file } = settings;
  return {
    issuer: new URL(issuer).href,
    clientId,
    clientSecret: file === undefined ? secret : readSecret(file),
    scopes: settings.PENNON_OIDC_SCOPES,
    groupsClaim: settings.PENNON_OIDC_GROUPS_CLAIM,
    name: settings.PENNON_OIDC_NAME,
    url: new URL(url).origin + pathOf(url),
  };
};
