import type { TestResponse, TestServer } from './server.ts';

/** The headers by which a request shows that a page of the server has sent it. */
export const OWN_PAGE = { 'sec-fetch-site': 'same-origin', 'x-pennon-console': '1' } as const;

/** Returns the cookie that a response sets, as a browser sends it. */
export const cookieOf = ({ headers }: TestResponse): string =>
  String(headers['set-cookie']).split(';', 1)[0] ?? '';

/** Signs in and returns the cookie. */
export const signIn = async (server: TestServer, body: object): Promise<string> => {
  const options = { key: null, headers: OWN_PAGE, body };
  const response = await server.request('POST', '/auth/session', options);
  if (response.status !== 204) throw new Error(response.text);
  return cookieOf(response);
};
