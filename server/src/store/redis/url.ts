/**
 * Where Redis is. The forms of REDIS_URL, each with `rediss` in place of `redis` for TLS:
 *
 *     redis://[[user]:[password]@]host[:6379][/database]
 *     redis+sentinel://[[user]:[password]@]host[:26379],host…/master[/database]
 *                      [?sentinelUsername=…&sentinelPassword=…]
 *     redis+cluster://[[user]:[password]@]host[:6379],host…
 *
 * User, password and the sentinels' own credentials are percent-encoded.
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

type Parsed = { readonly address: RedisAddress } | { readonly problem: string };

/** Scheme, form, credentials, hosts, path and query. What the hosts are is looked at one by one. */
const URL_PARTS =
  /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?$/;
const DATABASE = /^[0-9]{1,4}$/;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

/** Reads a REDIS_URL. A problem is said without any part of the URL, which may hold a password. */
export const parseRedisUrl = (url: string): Parsed => {
  try {
    return { address: addressOf(url) };
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    throw error;
  }
};

class Problem extends Error {}

const refuse = (message: string): never => {
  throw new Problem(message);
};

const addressOf = (url: string): RedisAddress => {
  const parts = URL_PARTS.exec(url) ?? refuse(FORMS);
  const [, tls, form = 'single', credentials, hosts = '', path = '', query = ''] = parts;
  const access = {
    tls: tls === 's',
    ...credentialsOf(credentials),
    nodes: hosts
      .split(',')
      .map(host => nodeOf(host, form === 'sentinel' ? SENTINEL_PORT : REDIS_PORT)),
  };
  const parameters = new URLSearchParams(query);
  if (form === 'sentinel') return { ...access, ...sentinelOf(path, parameters) };
  refuseParameters(parameters, []);
  if (form === 'single') return { ...access, ...singleOf(path, access.nodes) };
  if (path !== '') refuse('a cluster has one database: leave the path away');
  return { ...access, form: 'cluster' };
};

const FORMS =
  'must look like redis://host:6379, redis+sentinel://host:26379,host:26379/master or ' +
  'redis+cluster://host:6379,host:6379 (rediss for TLS), with user and password percent-encoded';

const credentialsOf = (credentials = ''): Pick<Access, 'username' | 'password'> => {
  const colon = credentials.indexOf(':');
  const [username, password] =
    colon === -1 ? [credentials, ''] : [credentials.slice(0, colon), credentials.slice(colon + 1)];
  return { username: decoded(username), password: decoded(password) };
};

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text) || undefined;
  } catch {
    return refuse('has a user or password that is not percent-encoded');
  }
};

const nodeOf = (text: string, defaultPort: number): RedisNode => {
  const [, host = refuse(FORMS), port] = NODE.exec(text) ?? refuse(FORMS);
  const number = port === undefined ? defaultPort : Number(port);
  if (number < 1 || number > 65_535) refuse('has a port that is not within 1 to 65535');
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
};

const databaseOf = (text: string): number =>
  text === '' || DATABASE.test(text) ? Number(text) : refuse('has a database that is no number');

const singleOf = (path: string, nodes: readonly RedisNode[]): Single => {
  if (nodes.length > 1)
    refuse('names several hosts: say redis+sentinel:// or redis+cluster:// for these');
  return { form: 'single', database: databaseOf(path) };
};

const sentinelOf = (path: string, parameters: URLSearchParams): Sentinel => {
  const [master = '', database = '', ...more] = path.split('/');
  if (master === '' || more.length > 0)
    refuse('must name the master that the sentinels watch: redis+sentinel://host:26379/master');
  refuseParameters(parameters, ['sentinelUsername', 'sentinelPassword']);
  return {
    form: 'sentinel',
    master: decoded(master) ?? '',
    database: databaseOf(database),
    sentinelUsername: parameters.get('sentinelUsername') ?? undefined,
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
  };
};

const refuseParameters = (parameters: URLSearchParams, known: readonly string[]): void => {
  const unknown = [...parameters.keys()].some(name => !known.includes(name));
  if (unknown) refuse('has a parameter after "?" that Pennon does not know');
};

/** The address as people may see it: without credentials. Two that hold other data are told apart. */
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
