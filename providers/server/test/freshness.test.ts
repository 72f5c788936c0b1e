import { expect, it } from 'vitest';

import { createFakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import type { FakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
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
import type { PennonProvider } from '../src/index.ts';
import { startFakeServer } from './support/fake-server.ts';
import type { FakeServer } from './support/fake-server.ts';
import { booleanFlag } from './support/flags.ts';
import { startOn } from './support/open.ts';

const fail = (): never => {
  throw new Error('an unexpected error');
};

type ChangingRuntime = FakeRuntime & { random: () => number };

const causes = (server: FakeServer, runtime: ChangingRuntime, provider: PennonProvider) =>
  ({
    start: () => undefined,
    silence: () => server.behave('silent'),
    response: () => server.behave('normal'),
    'cut-off': () => server.send('heartbeat', { revision: 1, sourceAgeMs: CUT_OFF_MS }),
    current: () => server.send('heartbeat', { revision: 1, sourceAgeMs: 0 }),
    away() {
      server.behave('broken');
      return server.cut();
    },
    back() {
      server.behave('normal');
      runtime.random = () => 0.5;
    },
    freeze: ms => runtime.freeze(ms),
    sleep: ms => runtime.setWallTime(ms),
    clock: ms => runtime.setWallTime(ms),
    failure() {
      runtime.random = fail;
      return server.cut();
    },
    close: () => provider.onClose(),
  }) satisfies Record<FreshnessEvent, (ms: number) => unknown>;

for (const mode of ['in-process', 'remote'] as const)
  it.each(readFreshnessCases())(`${mode}: $name`, async ({ steps }) => {
    const runtime: ChangingRuntime = { ...createFakeRuntime() };
    const server = startFakeServer({ f: booleanFlag('f', true) }, runtime);
    const { client, provider } = await startOn(server, { mode });
    const events = causes(server, runtime, provider);
    const subject: FreshnessSubject = {
      cause: async ({ event, ms = 0 }) => {
        await events[event](ms);
      },
      evaluate: () => provider.evaluate('f'),
      status: () => client.providerStatus,
      freshness: () => provider.freshness(),
      advance: server.advance,
    };
    for (const step of steps) expect(await reportAfter(subject, step)).toEqual(expectedAfter(step));
  });
