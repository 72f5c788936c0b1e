import { OpenFeature, OpenFeatureError } from '@openfeature/web-sdk';
import type { Client } from '@openfeature/web-sdk';
import { expect, it } from 'vitest';

import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import { detailsOf, readStatuses } from '../../../packages/sync/test/support/statuses.ts';
import type { Situation, Step } from '../../../packages/sync/test/support/statuses.ts';
import { PennonWebProvider } from '../src/index.ts';
import type { PennonWebProviderOptions } from '../src/index.ts';
import { createStorage, SERVER, values } from './support/application.ts';
import { startFakeServer } from './support/fake-server.ts';
import { useOpenFeature } from './support/open-feature.ts';

const { atOnceMs, situations } = readStatuses();
const LIVE = values(1, { live: true });

useOpenFeature();

const optionsOf = ({ stored }: Situation, storage: ReturnType<typeof createStorage>) => {
  const withServer = { ...SERVER, storage };
  const options: Record<string, PennonWebProviderOptions> = {
    flags: { flags: { live: true } },
    bootstrap: { ...withServer, bootstrap: LIVE },
  };
  return options[stored ?? ''] ?? withServer;
};

/** Returns a storage, with the values of an earlier visit if the situation has them. */
const storageOf = async ({ stored }: Situation) => {
  const storage = createStorage();
  if (stored === 'storage') {
    const { runtime } = startFakeServer(LIVE);
    const provider = new PennonWebProvider({ ...SERVER, storage }, runtime);
    await provider.initialize({ targetingKey: 'ada' });
    await provider.onClose();
  }
  return storage;
};

type Server = ReturnType<typeof startFakeServer>;

const statusOf = (client: Client): string => client.providerStatus;

const waitForStatus = async (client: Client, { runtime }: Server, status: string) => {
  for (let second = 0; second < 200 && statusOf(client) !== status; second += 1)
    await runtime.advance(1_000);
  expect(client.providerStatus).toBe(status);
};

const checkStep = async (client: Client, server: Server, { status, evaluations }: Step) => {
  await waitForStatus(client, server, status);
  for (const expected of evaluations) {
    const { value, reason, errorCode } = client.getBooleanDetails(
      expected.flagKey ?? 'live',
      false,
    );
    expect({ value, reason, errorCode }).toEqual(detailsOf(expected));
  }
};

it.each(situations.filter(({ mode }) => mode === 'web'))('$name', async situation => {
  const [start, ...others] = situation.steps;
  if (start === undefined) throw new Error('there are no steps');
  const storage = await storageOf(situation);
  const server = startFakeServer(LIVE);
  await server.behave(start.server);
  const provider = new PennonWebProvider(optionsOf(situation, storage), server.runtime);
  const client = OpenFeature.getClient();
  let outcome: string | undefined;
  OpenFeature.setProviderAndWait(provider, { targetingKey: 'ada' }).then(
    () => (outcome = 'ok'),
    (error: unknown) => (outcome = error instanceof OpenFeatureError ? error.code : String(error)),
  );
  await server.runtime.advance(situation.startsAtOnce === true ? atOnceMs : 2_000);
  await settle();
  // The code for flags without a server is loaded by then.
  await expect.poll(() => outcome).toBe(start.start);
  await checkStep(client, server, start);
  for (const step of others) {
    await server.behave(step.server);
    await checkStep(client, server, step);
  }
});
