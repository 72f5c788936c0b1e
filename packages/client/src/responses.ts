import { isJsonObject } from '@pennon/sync';

/** Whether each part of a body is the result or the error of a procedure, as all responses of Pennon are. */
export const isFromPennon = (body: unknown): boolean =>
  [body].flat().every(part => isJsonObject(part) && ('result' in part || hasError(part)));

/** Whether the body has an error with a message. Gateways have other forms. */
const hasError = ({ error }: { readonly error?: unknown }): boolean =>
  isJsonObject(error) && typeof error['message'] === 'string';

export const foreignResponseError = (status: number): Error =>
  new Error(
    `the server replied with status ${status}, but not as a Pennon server does: check "url", and the proxies and gateways in front of the server`,
  );

/** Makes `json()` reject with the status if the body does not come from Pennon. Its parser would name neither. */
export const requirePennon = (response: Response): Response => {
  const readText = response.text.bind(response);
  const json = async (): Promise<unknown> => {
    const body = parse(await readText());
    if (isFromPennon(body)) return body;
    throw foreignResponseError(response.status);
  };
  return Object.assign(response, { json });
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
