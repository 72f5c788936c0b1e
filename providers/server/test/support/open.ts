import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import type { Client } from '@openfeature/server-sdk';
import { defaultRuntime } from '@pennon/sync';
import type { Runtime } from '@pennon/sync';
import { afterEach } from 'vitest';

import { PennonProvider } from '../../src/index.ts';
import type { OnlineOptions, PennonProviderOptions } from '../../src/index.ts';
import { settle } from '../../../../packages/sync/test/support/fake-runtime.ts';
import { URL_OF_SERVER } from './fake-server.ts';
import type { FakeServer } from './fake-server.ts';

export type Opened = {
  readonly provider: PennonProvider;
  readonly client: Client;
  /** What handlers of the client were told, such as `READY` or `CONFIGURATION_CHANGED a,b`. */
  readonly told: string[];
  /** Settles as `setProviderAndWait` does; `ok`, or the error's code and message. */
  readonly started: Promise<string>;
};

const NAMES = {
  [ProviderEvents.Ready]: 'READY',
  [ProviderEvents.Stale]: 'STALE',
  [ProviderEvents.Error]: 'ERROR',
  [ProviderEvents.ConfigurationChanged]: 'CHANGED',
} as const;

let domains = 0;

afterEach(() => OpenFeature.clearProviders());

const listen = (client: Client): string[] => {
  const told: string[] = [];
  client.addHandler(ProviderEvents.ConfigurationChanged, details =>
    told.push(`CHANGED ${details?.flagsChanged?.toSorted().join()}`),
  );
  for (const event of [ProviderEvents.Ready, ProviderEvents.Stale, ProviderEvents.Error] as const) {
    client.addHandler(event, () => told.push(NAMES[event]));
  }
  return told;
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error
    ? `${String(error.code)}: ${error.message}`
    : String(error);

/** Registers a provider under a domain of its own, as an application does. */
export const openProvider = (provider: PennonProvider): Opened => {
  domains += 1;
  const domain = `domain-${domains}`;
  const client = OpenFeature.getClient(domain);
  const told = listen(client);
  const started = OpenFeature.setProviderAndWait(domain, provider).then(() => 'ok', codeOf);
  return { provider, client, told, started };
};

/** A provider on a server that is not real. */
export const openOn = (server: FakeServer, options: Partial<OnlineOptions> = {}): Opened =>
  openProvider(
    new PennonProvider({ url: URL_OF_SERVER, key: 'server-key', ...options }, server.world),
  );

/** A provider that has started by the time this resolves. */
export const startOn = async (
  server: FakeServer,
  options: Partial<OnlineOptions> = {},
): Promise<Opened> => {
  const opened = openOn(server, options);
  await opened.started;
  await settle();
  return opened;
};

/** A provider in the real world. */
export const openReal = (options: PennonProviderOptions, world: Runtime = defaultRuntime): Opened =>
  openProvider(new PennonProvider(options, world));
