import { parseAuthority } from '@pennon/sync';

/** The environment variables of the process. */
type Variables = Readonly<Record<string, string | undefined>>;

/** The URL of a proxy, and the option or the variable that it comes from. */
type ProxySetting = { readonly name: string; readonly value: unknown };

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Returns a variable. Its name in lower case has precedence, even if it is empty. */
const variableOf = (variables: Variables, name: string): string =>
  variables[name.toLowerCase()] ?? variables[name] ?? '';

const nameWithoutDots = (entry: string): string =>
  entry
    .trim()
    .toLowerCase()
    .replace(/^(?:\*?\.)+/, '');

/** Returns whether NO_PROXY excludes a server: by its host, the end of its host, or the same with the port. */
const isExcluded = ({ protocol, hostname, port }: URL, excluded: string): boolean => {
  const hosts = [hostname, `${hostname}:${port || PORTS[protocol]}`];
  const names = excluded.split(',').map(nameWithoutDots);
  return names.some(
    name =>
      name === '*' ||
      (name !== '' && hosts.some(host => host === name || host.endsWith(`.${name}`))),
  );
};

/**
 * Returns the proxy for a server: the option, or else HTTPS_PROXY or HTTP_PROXY, by the scheme of the server,
 * unless NO_PROXY excludes it. The provider for Python has the same rules.
 */
export const proxyFor = (
  server: string,
  option: unknown,
  variables: Variables,
): ProxySetting | undefined => {
  if (option !== undefined) return { name: '"proxy"', value: option };
  const url = new URL(server);
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  // A web server sets HTTP_PROXY for a CGI script from the header `Proxy` of a request.
  if (name === 'HTTP_PROXY' && 'REQUEST_METHOD' in variables && !variables['http_proxy'])
    return undefined;
  const value = variableOf(variables, name);
  if (value === '' || isExcluded(url, variableOf(variables, 'NO_PROXY'))) return undefined;
  return { name, value };
};

/** A user and a password, encoded as in a URL, and the host with its port. */
const PROXY_FORM = /^(?:http:\/\/)?((?:[^\s/?#\\%]|%[\da-f]{2})*@)?([^@/]+)\/?$/i;

/** Returns the URL of an HTTP proxy, or undefined if it is malformed. */
export const parseProxy = (proxy: unknown): string | undefined => {
  if (typeof proxy !== 'string') return undefined;
  const [, credentials = '', authority = ''] = PROXY_FORM.exec(proxy) ?? [];
  return parseAuthority(authority) && `http://${credentials}${authority}`;
};
