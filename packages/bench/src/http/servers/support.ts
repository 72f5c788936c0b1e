import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';

/** The text that servers without an engine respond with: a real response of Pennon to the same request. */
export const fixedResponse = (): string => readFileSync(process.argv[2] ?? '', 'utf8');

/** Prints the URL, so that the benchmark knows where the server listens. */
export const listen = (address: string | AddressInfo | null): void => {
  if (address !== null && typeof address !== 'string')
    console.log(`listens on http://127.0.0.1:${address.port}`);
};
