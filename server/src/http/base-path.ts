/** The path of requests outside the base path. No route and no page has it. */
export const OUTSIDE = '/(outside the base path)';

/** Probes that address the server directly need not know the base path. */
const WITHOUT_BASE_PATH: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/**
 * Clients of OFREP whose address ends with a slash send another one. Only their paths may begin with several: a
 * proxy can limit who reaches other paths, and compares them exactly.
 */
const EXTRA_SLASHES = /^\/+(?=\/ofrep\/)/;

/** Returns the URL of a request as the routes have it: without the base path, and without slashes that are too many. */
export const routedUrl = (basePath: string, url: string): string =>
  (basePath === '' ? url : stripBasePath(basePath, url)).replace(EXTRA_SLASHES, '');

const stripBasePath = (basePath: string, url: string): string => {
  const [path = ''] = url.split('?', 1);
  if (path === basePath) return `/${url.slice(basePath.length)}`;
  if (url.startsWith(`${basePath}/`)) return url.slice(basePath.length);
  return WITHOUT_BASE_PATH.has(path) ? url : OUTSIDE;
};
