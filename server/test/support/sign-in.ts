import type { Grant } from '@pennon/schema';

import type { TestResponse, TestServer } from './server.ts';

/** The headers by which a request shows that a page of the server has sent it. */
export const OWN_PAGE = { 'sec-fetch-site': 'same-origin', 'x-pennon-console': '1' } as const;

/** Returns the cookie that a response sets, as a browser sends it. */
export const cookieOf = ({ headers }: TestResponse): string =>
  String(headers['set-cookie']).split(';', 1)[0] ?? '';

export const PASSWORD = 'correct horse battery';

let invited = 0;

/** Invites a person with these roles, who joins. Returns the cookie of their session. */
export const joinAs = async (
  server: TestServer,
  grants: readonly Grant[],
  email = `person-${(invited += 1)}@example.com`,
): Promise<string> => {
  const invitation = await server.request('POST', '/api/v1/invitations', {
    body: { email, grants },
  });
  if (invitation.status !== 201) throw new Error(invitation.text);
  return joinWith(server, invitation.body.path, { name: email, password: PASSWORD });
};

/** Uses the link of an invitation. Returns the cookie of the session. */
export const joinWith = async (
  server: TestServer,
  path: string,
  fields: object,
): Promise<string> => {
  const body = { token: path.split('#')[1], ...fields };
  const response = await server.request('POST', '/auth/join', {
    key: null,
    headers: OWN_PAGE,
    body,
  });
  if (response.status !== 204) throw new Error(response.text);
  return cookieOf(response);
};

/** Signs in and returns the cookie. */
export const signIn = async (server: TestServer, body: object): Promise<string> => {
  const options = { key: null, headers: OWN_PAGE, body };
  const response = await server.request('POST', '/auth/session', options);
  if (response.status !== 204) throw new Error(response.text);
  return cookieOf(response);
};
