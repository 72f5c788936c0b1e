import { OpenFeature } from '@openfeature/web-sdk';
import { expect, it } from 'vitest';

import {
  expectedAfter,
  readFreshnessCases,
  reportAfter,
} from '../../../packages/sync/test/support/freshness.ts';
import type {
  FreshnessEvent,
  FreshnessSubject,
} from '../../../packages/sync/test/support/freshness.ts';
import { CUT_OFF_MS } from '../../../packages/sync/test/support/statuses.ts';
import { PennonWebProvider } from '../src/index.ts';
import { SERVER, values } from './support/application.ts';
import { startFakeServer } from './support/fake-server.ts';
import { useOpenFeature } from './support/open-feature.ts';

useOpenFeature();

const fail = (): never => {
  throw new Error('an unexpected error');
};

const causes = (server: ReturnType<typeof startFakeServer>, provider: PennonWebProvider) =>
  ({
    start: () => undefined,
    silence: () => server.setBehavior('silent'),
    response: () => server.setBehavior('normal'),
    'cut-off': () => server.send('heartbeat', { revision: 1, sourceAgeMs: CUT_OFF_MS }),
    current: () => server.send('heartbeat', { revision: 1, sourceAgeMs: 0 }),
    away: () => server.behave('refused'),
    back() {
      server.runtime.random = () => 0.5;
      server.setBehavior('normal');
    },
    freeze: ms => server.runtime.freeze(ms),
    sleep: ms => server.runtime.setWallTime(ms),
    clock: ms => server.runtime.setWallTime(ms),
    failure() {
      server.runtime.random = fail;
      return server.behave('normal');
    },
    close: () => provider.onClose(),
  }) satisfies Record<FreshnessEvent, (ms: number) => unknown>;

it.each(readFreshnessCases())('web: $name', async ({ steps }) => {
  const server = startFakeServer(values(1, { f: true }));
  const provider = new PennonWebProvider({ ...SERVER, storage: null }, server.runtime);
  await OpenFeature.setProviderAndWait(provider, { targetingKey: 'ada' });
  const client = OpenFeature.getClient();
  const events = causes(server, provider);
  const subject: FreshnessSubject = {
    cause: async ({ event, ms = 0 }) => {
      await events[event](ms);
    },
    evaluate: () => client.getBooleanValue('f', false),
    status: () => client.providerStatus,
    freshness: () => provider.freshness(),
    advance: ms => server.runtime.advance(ms),
  };
  for (const step of steps) expect(await reportAfter(subject, step)).toEqual(expectedAfter(step));
});
