/**
 * The ports to which `fetch` opens no connection, from https://fetch.spec.whatwg.org/#port-blocking. Marked as pure, so
 * pages do not load it.
 */
const BLOCKED_PORTS =
  /* @__PURE__ */ '1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080'.split(
    ' ',
  );

/** An IPv6 address in brackets, or labels of at most 63 letters, digits, `_` and inner `-`; and a port. */
const AUTHORITY =
  /^(\[[\da-f:.]+\]|(?![^:]*[^.:]{64})[\w\u0080-\uffff]+(?:(?:-+|\.)[\w\u0080-\uffff]+)*\.?)(?::([1-9]\d{0,4}))?$/i;

/** Segments without `.`, `..`, patterns and variables, encoded as in a request. The routes are below the path. */
const PATH =
  /^(?!.*\/api\/v1\/?$)(?:\/(?!(?:\.|%2e){1,2}(?:\/|$))(?:[\w.~!&'()+,;=:@-]|%[2-9a-f][\da-f])*)*$/i;

/** The part of a URL that names a server. */
type Authority = { readonly host: string; readonly port: string };

/** Returns the host and the port, which may be empty, or undefined if no server can have this address. */
export const parseAuthority = (text: string): Authority | undefined => {
  const [, host, port = ''] = AUTHORITY.exec(text) ?? [];
  return host !== undefined && isHost(host) && isUsablePort(port) ? { host, port } : undefined;
};

const isUsablePort = (port: string): boolean =>
  Number(port) <= 65_535 && !BLOCKED_PORTS.includes(port);

const isHost = (host: string): boolean => {
  try {
    const { hostname } = new URL(`http://${host}`);
    // Other forms of an IPv4 address, such as `127.1`, are more often mistakes. IPv6 has several good ones.
    return /[^\w.-]/.test(host) || hostname === host.toLowerCase();
  } catch {
    return false;
  }
};

/** Whether a value is the URL of a server: a host, and optionally a port and a path. */
export const isServerUrl = (url: unknown): boolean => {
  if (typeof url !== 'string') return false;
  const [, text = '', path = ''] = /^https?:\/\/([^/]*)(.*)$/is.exec(url) ?? [];
  return parseAuthority(text) !== undefined && PATH.test(path);
};
