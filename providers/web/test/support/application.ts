import type { Client, EvaluationContext, JsonValue } from '@openfeature/web-sdk';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';

import type { FakeWorld } from '../../../../packages/sync/test/support/fake-runtime.ts';
import { createFakeWorld } from '../../../../packages/sync/test/support/fake-runtime.ts';
import type { Keeper, PennonWebProviderOptions } from '../../src/index.ts';
import { PennonWebProvider } from '../../src/index.ts';

export type Told = {
  readonly event: string;
  readonly flagsChanged?: string[];
  readonly message?: string;
};

export type Application = {
  readonly world: FakeWorld;
  readonly setContext: (context: EvaluationContext) => Promise<void>;
  /** Sets the provider, as it was set at the start. */
  readonly setProvider: () => Promise<void>;
  readonly client: Client;
  readonly provider: PennonWebProvider;
  /** All events that a handler of the client was told, in order. */
  readonly told: Told[];
  /** What `setProviderAndWait` came to: undefined, or the error. */
  readonly outcome: Promise<unknown>;
};

/** A place to keep values, and what is in it. */
export const createKeeper = (): Keeper & { readonly slots: Map<string, string> } => {
  const slots = new Map<string, string>();
  return {
    slots,
    getItem: slot => slots.get(slot) ?? null,
    setItem: (slot, text) => void slots.set(slot, text),
    removeItem: slot => void slots.delete(slot),
  };
};

let domains = 0;

/** An application that sets the provider, in a world in which time and network are the test's own. */
export const startApplication = (
  options: Partial<PennonWebProviderOptions> = {},
  context: EvaluationContext = { targetingKey: 'ada' },
  world = createFakeWorld(),
): Application => {
  domains += 1;
  const domain = `application-${domains}`;
  OpenFeature.setLogger({ error() {}, warn() {}, info() {}, debug() {} });
  const provider = new PennonWebProvider(
    { url: 'http://flags.test', key: 'client-key', storage: null, ...options },
    world,
  );
  const client = OpenFeature.getClient(domain);
  const told: Told[] = [];
  for (const event of Object.values(ProviderEvents)) {
    client.addHandler(event, details => {
      const { flagsChanged, message } = { message: undefined, flagsChanged: undefined, ...details };
      told.push({ event, ...(flagsChanged && { flagsChanged }), ...(message && { message }) });
    });
  }
  const setProvider = () => OpenFeature.setProviderAndWait(domain, provider, context);
  const outcome = setProvider().then(
    () => undefined,
    (error: unknown) => error,
  );
  const setContext = (next: EvaluationContext) => OpenFeature.setContext(domain, next);
  return { world, setContext, setProvider, client, provider, told, outcome };
};

export const served = (value: JsonValue, more: object = {}) => ({
  flagKey: 'any',
  enabled: true,
  reason: 'STATIC',
  variant: 'on',
  value,
  ...more,
});

export const values = (revision: number, flags: Readonly<Record<string, JsonValue>>) => ({
  revision,
  evaluations: Object.fromEntries(
    Object.entries(flags).map(([key, value]) => [key, served(value)]),
  ),
});

/** An application whose provider is ready with these flags. */
export const startReady = async (
  flags: Readonly<Record<string, JsonValue>>,
  options: Partial<PennonWebProviderOptions> = {},
  context?: EvaluationContext,
) => {
  const application = startApplication(options, context);
  const stream = await (await application.world.next()).open();
  await stream.send('values', values(1, flags));
  await application.outcome;
  application.told.length = 0;
  return { ...application, stream };
};
