import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import type { Client } from '@openfeature/server-sdk';
import type { Runtime } from '@pennon/sync';
import { afterEach } from 'vitest';

import { PennonProvider } from '../../src/index.ts';
import type { OnlineOptions, PennonProviderOptions } from '../../src/index.ts';
import { settle } from '../../../../packages/sync/test/support/fake-runtime.ts';
import { steadyTime } from '../../../../packages/sync/test/support/patience.ts';
import { SERVER_URL } from './fake-server.ts';
import type { FakeServer } from './fake-server.ts';

export type Opened = {
  readonly provider: PennonProvider;
  readonly client: Client;
  /** The events that the handlers of the client received, such as `READY` or `CHANGED a,b`. */
  readonly events: string[];
  /** Resolves to `ok` or to the code and message of the error when `setProviderAndWait` settles. */
  readonly started: Promise<string>;
};

const NAMES = {
  [ProviderEvents.Ready]: 'READY',
  [ProviderEvents.Stale]: 'STALE',
  [ProviderEvents.Error]: 'ERROR',
  [ProviderEvents.ConfigurationChanged]: 'CHANGED',
} as const;

let domains = 0;

const ignore = () => undefined;
/** Warnings would only clutter the output of the tests. */
OpenFeature.setLogger({ error: ignore, warn: ignore, info: ignore, debug: ignore });

afterEach(() => OpenFeature.clearProviders());

const listen = (client: Client): string[] => {
  const events: string[] = [];
  client.addHandler(ProviderEvents.ConfigurationChanged, details =>
    events.push(`CHANGED ${details?.flagsChanged?.toSorted().join()}`),
  );
  for (const event of [ProviderEvents.Ready, ProviderEvents.Stale, ProviderEvents.Error] as const) {
    client.addHandler(event, () => events.push(NAMES[event]));
  }
  return events;
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error
    ? `${String(error.code)}: ${error.message}`
    : String(error);

/** Registers a provider under its own domain, as an application does. */
export const openProvider = (provider: PennonProvider): Opened => {
  domains += 1;
  const domain = `domain-${domains}`;
  const client = OpenFeature.getClient(domain);
  const events = listen(client);
  const started = OpenFeature.setProviderAndWait(domain, provider).then(() => 'ok', codeOf);
  return { provider, client, events, started };
};

/** Opens a provider on a fake server. */
export const openOn = (server: FakeServer, options: Partial<OnlineOptions> = {}): Opened =>
  openProvider(
    new PennonProvider({ url: SERVER_URL, key: 'server-key', ...options }, server.runtime),
  );

/** Opens a provider and waits until it has started. */
export const startOn = async (
  server: FakeServer,
  options: Partial<OnlineOptions> = {},
): Promise<Opened> => {
  const opened = openOn(server, options);
  await opened.started;
  await settle();
  return opened;
};

/** How long a start may take on a busy machine. */
export const PATIENT_START = { initTimeoutMs: 90_000 };

/** Opens a provider with a real network, and a real clock unless there is another one. */
export const openReal = (options: PennonProviderOptions, runtime: Partial<Runtime> = {}): Opened =>
  openProvider(new PennonProvider({ ...PATIENT_START, ...options }, { ...steadyTime, ...runtime }));
