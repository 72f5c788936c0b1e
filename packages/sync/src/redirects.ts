type Fetch = typeof globalThis.fetch;

const REDIRECT = /^30[12378]$/;

/**
 * Follows redirects within the origin of `url`, with the same method, headers and body. A redirect to another
 * origin is an error, because the key and the context are for the origin in the options only. The code that finds the
 * targets is loaded when it is needed, so that pages need not load it.
 */
export const fetchWithinOrigin = async (
  fetch: Fetch,
  url: string,
  init: RequestInit,
): Promise<Response> => {
  let current = url;
  for (let count = 0; ; count += 1) {
    const response = await fetch(current, { ...init, redirect: 'manual' });
    // Browsers hide the status and the target of a redirect.
    const isHidden = response.type === 'opaqueredirect';
    if (!isHidden && !REDIRECT.test(String(response.status))) return response;
    const { redirectTarget } = await import('./redirect-target.ts');
    current = await redirectTarget(response, { fetch, url, current, init, count });
  }
};
