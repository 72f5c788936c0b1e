import { isIPv6 } from 'node:net';

import { isHost } from '../../addresses.ts';

/**
 * The address of Redis. The forms of REDIS_URL, with `rediss` instead of `redis` for TLS:
 *
 *     redis://[[user]:[password]@]host[:6379][/database]
 *     redis+sentinel://[[user]:[password]@]host[:26379],host…/master[/database]
 *                      [?sentinelUsername=…&sentinelPassword=…]
 *     redis+cluster://[[user]:[password]@]host[:6379],host…
 *
 * User, password and the credentials of the sentinels are percent-encoded. Either all hosts have a port, or none.
 */
export type RedisAddress = Access & (Single | Sentinel | Cluster);

type Access = {
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly nodes: readonly RedisNode[];
};
type Single = { readonly form: 'single'; readonly database: number };
type Cluster = { readonly form: 'cluster' };
type Sentinel = {
  readonly form: 'sentinel';
  readonly master: string;
  readonly database: number;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
};
export type RedisNode = { readonly host: string; readonly port: number };

type ParsedUrl = { readonly address: RedisAddress } | { readonly problem: string };

/** Scheme, form, credentials, hosts, path and query. The hosts are parsed separately. */
const URL_PARTS =
  /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?$/;
const DATABASE = /^[0-9]{1,4}$/;
/** Sentinel accepts no other names. */
const MASTER = /^[A-Za-z0-9._-]+$/;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Parses a REDIS_URL. `problem` contains no part of the URL, which may contain a password. */
export const parseRedisUrl = (url: string): ParsedUrl => {
  try {
    return { address: parseAddress(url) };
  } catch (error) {
    if (error instanceof UrlProblem) return { problem: error.message };
    throw error;
  }
};

class UrlProblem extends Error {}

const reject = (message: string): never => {
  throw new UrlProblem(message);
};

const parseAddress = (url: string): RedisAddress => {
  const parts = URL_PARTS.exec(url) ?? reject(REDIS_URL_FORMS);
  const [, tls, form = 'single', credentials, hosts = '', path = '', query = ''] = parts;
  const access = {
    tls: tls === 's',
    ...parseCredentials(credentials),
    nodes: parseNodes(hosts.split(','), form === 'sentinel' ? SENTINEL_PORT : REDIS_PORT),
  };
  const parameters = new URLSearchParams(query);
  if (form === 'sentinel') return { ...access, ...parseSentinel(path, parameters) };
  rejectUnknownParameters(parameters, []);
  if (form === 'single') return { ...access, ...parseSingle(path, access.nodes) };
  if (path !== '') reject('a cluster has one database: remove the path');
  return { ...access, form: 'cluster' };
};

export const REDIS_URL_FORMS =
  'must look like redis://host:6379, redis+sentinel://host:26379,host:26379/master or ' +
  'redis+cluster://host:6379,host:6379 (rediss for TLS), with user and password percent-encoded';

const parseCredentials = (credentials = ''): Pick<Access, 'username' | 'password'> => {
  const colon = credentials.indexOf(':');
  const [username, password] =
    colon === -1 ? [credentials, ''] : [credentials.slice(0, colon), credentials.slice(colon + 1)];
  // A user alone would be ignored, because Redis has no login without a password.
  if (username !== '' && password === '')
    reject('has a user without a password; a password alone is written ":password@"');
  return { username: requireUser(decode(username)), password: decode(password) };
};

/** Redis has no users with such names. */
const requireUser = (username: string | undefined): string | undefined =>
  username !== undefined && /[\s\p{Cc}]/u.test(username)
    ? reject('has a user with white space or control characters')
    : username;

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text) || undefined;
  } catch {
    return reject('has a user or password that is not percent-encoded');
  }
};

const parseNodes = (texts: readonly string[], defaultPort: number): readonly RedisNode[] => {
  const withPort = texts.filter(text => /:\d+$/.test(text)).length;
  const nodes = texts.map(text => parseNode(text, defaultPort));
  if (withPort > 0 && withPort < texts.length)
    reject('has hosts with a port and hosts without: write the port of each');
  const names = nodes.map(({ host, port }) => `${host.toLowerCase()} ${port}`);
  if (new Set(names).size < names.length) reject('names the same host and port twice');
  return nodes;
};

const parseNode = (text: string, defaultPort: number): RedisNode => {
  const [, host = reject(REDIS_URL_FORMS), port] = NODE.exec(text) ?? reject(REDIS_URL_FORMS);
  const number = port === undefined ? defaultPort : Number(port);
  if (number < 1 || number > 65_535) reject('has a port that is not between 1 and 65535');
  const name = host.replace(/^\[|\]$/g, '');
  if (!(name === host ? isHost(name) : isIPv6(name)))
    reject('has a host that is neither an IP address nor a host name');
  return { host: name, port: number };
};

const parseDatabase = (text: string): number =>
  text === '' || DATABASE.test(text) ? Number(text) : reject('has a database that is not a number');

const parseSingle = (path: string, nodes: readonly RedisNode[]): Single => {
  if (nodes.length > 1)
    reject('has several hosts: use redis+sentinel:// or redis+cluster:// for these');
  return { form: 'single', database: parseDatabase(path) };
};

const parseSentinel = (path: string, parameters: URLSearchParams): Sentinel => {
  const [master = '', database = '', ...more] = path.split('/');
  if (master === '' || more.length > 0)
    reject('must name the master of the sentinels: redis+sentinel://host:26379/master');
  if (!MASTER.test(master))
    reject('has a master whose name is not letters, digits and "._-", as Sentinel requires');
  return {
    form: 'sentinel',
    master,
    database: parseDatabase(database),
    ...parseAccess(parameters),
  };
};

/** Parses the credentials of the sentinels. */
const parseAccess = (
  parameters: URLSearchParams,
): Pick<Sentinel, 'sentinelUsername' | 'sentinelPassword'> => {
  rejectUnknownParameters(parameters, ['sentinelUsername', 'sentinelPassword']);
  const [username, password] = ['sentinelUsername', 'sentinelPassword'].map(name =>
    parameters.get(name),
  );
  if (username === '' || password === '' || (username != null && password == null))
    reject('needs a sentinelPassword that is not empty, and with it a sentinelUsername or none');
  return {
    sentinelUsername: requireUser(username ?? undefined),
    sentinelPassword: password ?? undefined,
  };
};

const rejectUnknownParameters = (parameters: URLSearchParams, known: readonly string[]): void => {
  const names = [...parameters.keys()];
  if (names.some(name => !known.includes(name))) reject('has an unknown parameter after "?"');
  if (new Set(names).size < names.length) reject('has the same parameter twice after "?"');
};

/** Returns the address without credentials. Addresses of different data have different descriptions. */
export const describeAddress = (address: RedisAddress): string => {
  const form = address.form === 'single' ? '' : `+${address.form}`;
  const hosts = address.nodes.map(
    ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
  );
  const master = address.form === 'sentinel' ? `/${address.master}` : '';
  const database =
    address.form === 'cluster' || address.database === 0 ? '' : `/${address.database}`;
  return `redis${address.tls ? 's' : ''}${form}://${hosts.join(',')}${master}${database}`;
};
