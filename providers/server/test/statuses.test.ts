import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Client } from '@openfeature/server-sdk';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { eventually } from '../../../packages/sync/test/support/patience.ts';
import { settle } from '../../../packages/sync/test/support/fake-runtime.ts';
import {
  CUT_OFF_MS,
  detailsOf,
  isCutOff,
  readStatuses,
} from '../../../packages/sync/test/support/statuses.ts';
import type {
  ServerBehavior,
  Situation,
  Step,
} from '../../../packages/sync/test/support/statuses.ts';
import { PennonProvider } from '../src/index.ts';
import type { PennonProviderOptions } from '../src/index.ts';
import { SERVER_URL, startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { openProvider } from './support/open.ts';

const { atOnceMs, flagSet, situations } = readStatuses();
const FLAGS = { ...flagSet, formatVersion: 1, id: 'x', revision: 1, segments: {} };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-statuses-'));
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

const behave = async (server: FakeServer, behavior: ServerBehavior): Promise<void> => {
  if (behavior === 'refused') server.behave('broken');
  else if (behavior === 'moved') server.behave({ status: 308, location: 'https://moved.test/' });
  else if (typeof behavior === 'number') server.behave({ status: behavior });
  else server.behave(behavior === 'silent' ? 'silent' : 'normal');
  server.setSourceAge(isCutOff(behavior) ? CUT_OFF_MS : 0);
  if (String(behavior).startsWith('evaluate-only'))
    for (const route of ['stream', 'poll'] as const) server.behave({ status: 403 }, route);
  await server.cut();
};

const optionsOf = async ({ mode, stored, options }: Situation): Promise<PennonProviderOptions> => {
  const file = join(directory, 'flags.json');
  if (stored === 'cacheFile' || stored === 'offlineFile')
    await writeFile(file, JSON.stringify(FLAGS));
  if (mode === 'offline')
    return stored === 'flags' ? { flags: { live: true } } : { offlineFile: file };
  const server = { url: SERVER_URL, key: 'server-key', ...options };
  return {
    ...server,
    ...(mode === 'remote' && { mode }),
    ...(stored === 'cacheFile' && { cacheFile: file }),
    ...(stored === 'bootstrap' && { bootstrap: FLAGS }),
  };
};

const evaluate = async (client: Client, server: FakeServer, step: Step) => {
  const results: object[] = [];
  for (const { flagKey = 'live', subject: targetingKey = 'ada' } of step.evaluations) {
    const evaluating = client.getBooleanDetails(flagKey, false, { targetingKey });
    await server.advance(1);
    const { value, reason, errorCode } = await evaluating;
    results.push({ value, reason, errorCode });
  }
  return results;
};

const statusOf = (client: Client): string => client.providerStatus;

const waitForStatus = async (client: Client, server: FakeServer, status: string) => {
  for (let second = 0; second < 200 && statusOf(client) !== status; second += 1)
    await server.advance(1_000);
  await eventually(() => expect(statusOf(client)).toBe(status));
};

it.each(situations.filter(({ mode }) => mode !== 'web'))('$name', async situation => {
  const [start, ...others] = situation.steps;
  if (start === undefined) throw new Error('there are no steps');
  const server = startFakeServer(flagSet.flags);
  await behave(server, start.server);
  const provider = new PennonProvider(await optionsOf(situation), server.runtime);
  const { client, started } = openProvider(provider);
  // Files are real, so reading them takes real time.
  if (situation.stored === 'cacheFile')
    await eventually(() => expect(provider.snapshot().evaluateAll()).toHaveProperty('live'));
  await server.advance(situation.startsAtOnce === true ? atOnceMs : 2_000);
  expect((await started).split(':')[0]).toBe(start.start);
  await settle();
  await waitForStatus(client, server, start.status);
  expect(await evaluate(client, server, start)).toEqual(start.evaluations.map(detailsOf));
  for (const step of others) {
    await behave(server, step.server);
    await evaluate(client, server, step);
    await waitForStatus(client, server, step.status);
    expect(await evaluate(client, server, step)).toEqual(step.evaluations.map(detailsOf));
  }
});
