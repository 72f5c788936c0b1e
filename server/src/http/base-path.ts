/** No route has this path. */
const OUTSIDE = '/(outside the base path)';

/** Probes that address the server directly need not know the base path. */
const WITHOUT_BASE_PATH: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** Returns the URL of a request as the routes have it, without the base path. */
export const stripBasePath = (basePath: string, url: string): string => {
  const [path = ''] = url.split('?', 1);
  if (path === basePath) return `/${url.slice(basePath.length)}`;
  if (url.startsWith(`${basePath}/`)) return url.slice(basePath.length);
  return WITHOUT_BASE_PATH.has(path) ? url : OUTSIDE;
};
