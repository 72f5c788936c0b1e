import { OpenFeature } from '@openfeature/server-sdk';
import { OpenFeature as OpenFeatureWeb } from '@openfeature/web-sdk';
import { PennonProvider } from '@pennon/server-provider';
import { defaultRuntime } from '@pennon/sync';
import { PennonWebProvider } from '@pennon/web-provider';

import { runtimeOn } from './clock.ts';
import type { CompressedServer } from './server.ts';

export const FLAG = 'one-page';

const ignore = () => undefined;
/** A provider warns of each jump of the clock. */
const logger = { error: ignore, warn: ignore, info: ignore, debug: ignore };

/** An application that serves one visitor after the other. */
export type Application = {
  /** Returns whether the visitor sees the new page. */
  visit(visitor: string): Promise<boolean>;
  track(visitor: string, event: string, details?: TrackedDetails): Promise<void>;
  /** Sends all events. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

type TrackedDetails = { readonly value: number; readonly currency: string };

let domains = 0;
const newDomain = (): string => `bench-${(domains += 1)}`;

const requireSent = (isSent: boolean): void => {
  if (!isSent) throw new Error('the server has not accepted the events');
};

/** An application on a server, which evaluates flags itself. */
export const openServerSide = async (server: CompressedServer): Promise<Application> => {
  const provider = new PennonProvider(
    { url: server.url, key: await server.createKey('server'), logger },
    runtimeOn(server.clock),
  );
  const domain = newDomain();
  await OpenFeature.setProviderAndWait(domain, provider);
  const client = OpenFeature.getClient(domain);
  return {
    visit: targetingKey => client.getBooleanValue(FLAG, false, { targetingKey }),
    track: async (targetingKey, event, details) => client.track(event, { targetingKey }, details),
    flush: async () => requireSent(await provider.flush()),
    close: () => provider.onClose(),
  };
};

/** A page, whose values come from the server. Several visitors use it one after the other. */
export const openPage = async (server: CompressedServer): Promise<Application> => {
  const provider = new PennonWebProvider(
    {
      url: server.url,
      key: await server.createKey('client'),
      stream: false,
      storage: null,
      logger,
    },
    { ...runtimeOn(server.clock), fetch: defaultRuntime.fetch },
  );
  const domain = newDomain();
  await OpenFeatureWeb.setProviderAndWait(domain, provider, { targetingKey: 'first' });
  const client = OpenFeatureWeb.getClient(domain);
  const welcome = (targetingKey: string) => OpenFeatureWeb.setContext(domain, { targetingKey });
  return {
    async visit(visitor) {
      await welcome(visitor);
      return client.getBooleanValue(FLAG, false);
    },
    async track(visitor, event, details) {
      await welcome(visitor);
      client.track(event, details);
    },
    flush: async () => requireSent(await provider.flush()),
    close: () => provider.onClose(),
  };
};
