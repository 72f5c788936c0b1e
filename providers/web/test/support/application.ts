import type { Client, EvaluationContext, JsonValue } from '@openfeature/web-sdk';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';

import type {
  FakeRuntime,
  FakeStream,
} from '../../../../packages/sync/test/support/fake-runtime.ts';
import { createFakeRuntime } from '../../../../packages/sync/test/support/fake-runtime.ts';
import type { OnlineOptions, ValueStorage } from '../../src/index.ts';
import { PennonWebProvider } from '../../src/index.ts';
import { silenceOpenFeature } from './open-feature.ts';

/** The server of all unit tests. */
export const SERVER = { url: 'http://flags.test', key: 'client-key' };

export type EmittedEvent = {
  readonly event: string;
  readonly flagsChanged?: string[];
  readonly message?: string;
};

export type Application = {
  readonly runtime: FakeRuntime;
  readonly setContext: (context: EvaluationContext) => Promise<void>;
  /** Sets the provider again, with the first context. */
  readonly setProvider: () => Promise<void>;
  readonly client: Client;
  readonly provider: PennonWebProvider;
  /** All events that the client has emitted, in order. */
  readonly emitted: EmittedEvent[];
  /** Resolves to the error of the first `setProviderAndWait`, or to undefined if it succeeded. */
  readonly outcome: Promise<unknown>;
};

/** A storage in memory. `slots` are its contents. */
export const createStorage = (): ValueStorage & { readonly slots: Map<string, string> } => {
  const slots = new Map<string, string>();
  return {
    slots,
    getItem: slot => slots.get(slot) ?? null,
    setItem: (slot, text) => void slots.set(slot, text),
    removeItem: slot => void slots.delete(slot),
  };
};

let domains = 0;

const newDomain = (): string => {
  domains += 1;
  return `application-${domains}`;
};

/** Applications have different domains, unless they state the same. */
export type ApplicationOptions = Partial<OnlineOptions> & { readonly domain?: string };

/** Starts an application that sets the provider, with a clock and a network that the test controls. */
export const startApplication = (
  { domain = newDomain(), ...options }: ApplicationOptions = {},
  context: EvaluationContext = { targetingKey: 'ada' },
  runtime = createFakeRuntime(),
): Application => {
  silenceOpenFeature();
  // Only the tests of usage count the requests for it.
  const all = { ...SERVER, storage: null, usage: false, ...options };
  const provider = new PennonWebProvider(all, runtime);
  const client = OpenFeature.getClient(domain);
  const emitted: EmittedEvent[] = [];
  for (const event of Object.values(ProviderEvents)) {
    client.addHandler(event, details => {
      const { flagsChanged, message } = { message: undefined, flagsChanged: undefined, ...details };
      emitted.push({ event, ...(flagsChanged && { flagsChanged }), ...(message && { message }) });
    });
  }
  const setProvider = () => OpenFeature.setProviderAndWait(domain, provider, context);
  const outcome = setProvider().then(
    () => undefined,
    (error: unknown) => error,
  );
  const setContext = (next: EvaluationContext) => OpenFeature.setContext(domain, next);
  return { runtime, setContext, setProvider, client, provider, emitted, outcome };
};

/** Returns an evaluation as the server sends it. */
export const served = (value: JsonValue, fields: object = {}) => ({
  flagKey: 'any',
  enabled: true,
  reason: 'STATIC',
  variant: 'on',
  value,
  ...fields,
});

/** Returns the values of all flags as the server sends them. */
export const values = (revision: number, flags: Readonly<Record<string, JsonValue>>) => ({
  revision,
  evaluations: Object.fromEntries(
    Object.entries(flags).map(([key, value]) => [key, served(value)]),
  ),
});

/** Responds to the next request, which must be a poll, with these values. */
export const respondToPoll = async (runtime: FakeRuntime, body: object): Promise<void> =>
  (await runtime.nextRequest()).respond(200, JSON.stringify(body));

/** Opens the stream that was requested next, which starts with these values. */
export const openStream = async (runtime: FakeRuntime, body: object): Promise<FakeStream> => {
  const stream = await (await runtime.nextRequest()).openStream();
  await stream.send('values', body);
  return stream;
};

/** Responds to the first poll with these values, and opens the stream, which starts with the same values. */
export const startServing = async (runtime: FakeRuntime, body: object): Promise<FakeStream> => {
  await respondToPoll(runtime, body);
  return openStream(runtime, body);
};

/** Starts an application whose provider is ready with these flags. */
export const startReady = async (
  flags: Readonly<Record<string, JsonValue>>,
  options: ApplicationOptions = {},
  context?: EvaluationContext,
) => {
  const application = startApplication(options, context);
  const stream = await startServing(application.runtime, values(1, flags));
  await application.outcome;
  application.emitted.length = 0;
  return { ...application, stream };
};
