import { readFileSync } from 'node:fs';

import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import type { Provider } from '@openfeature/server-sdk';
import { describe, expect, it, vi } from 'vitest';

import { startFakeServer } from './support/fake-server.ts';
import { booleanFlag, onIf, valueFlag } from './support/flags.ts';
import { openOn, startOn } from './support/open.ts';

/** The requirements of the specification for providers (section 2) and their events (5.1), version 0.9.0. */
const requirements: { id: string; keyword: string; content: string }[] = JSON.parse(
  readFileSync(new URL('requirements.json', import.meta.url), 'utf8'),
);

const flags = {
  b: booleanFlag('b', true, { metadata: { team: 'web', beta: true, ratio: 0.5 } }),
  s: valueFlag('s', 'string', 'text'),
  n: valueFlag('n', 'number', 1.5),
  o: valueFlag('o', 'object', { a: [1] }),
  rule: booleanFlag('rule', false, { rules: [onIf('plan', 'pro')] }),
  split: booleanFlag('split', false, {
    rules: [{ id: 'r', conditions: [], split: [{ variant: 'on', weight: 1 }] }],
  }),
  disabled: booleanFlag('disabled', true, { enabled: false }),
};
const start = () => startOn(startFakeServer(flags));

const startAndLoseServer = async () => {
  const server = startFakeServer(flags);
  const opened = await startOn(server);
  server.behave('broken');
  await server.cut();
  await server.advance(1_000);
  return { server, ...opened };
};

/** The assertions that prove each requirement. */
const proofs: Record<string, () => Promise<void>> = {
  '2.1.1': async () => {
    const { provider } = await start();
    expect(provider.metadata.name).toBe('pennon');
  },
  '2.2.1': async () => {
    const { provider } = await start();
    expect(await provider.resolveBooleanEvaluation('b', false, {})).toMatchObject({ value: true });
  },
  '2.2.2.1': async () => {
    const { provider } = await start();
    expect(await provider.resolveStringEvaluation('s', '', {})).toMatchObject({ value: 'text' });
    expect(await provider.resolveNumberEvaluation('n', 0, {})).toMatchObject({ value: 1.5 });
    expect(await provider.resolveObjectEvaluation('o', {}, {})).toMatchObject({
      value: { a: [1] },
    });
  },
  '2.2.3': async () => {
    const { client } = await start();
    expect(await client.getBooleanValue('b', false)).toBe(true);
  },
  '2.2.4': async () => {
    const { client } = await start();
    expect(await client.getBooleanDetails('b', false)).toMatchObject({ variant: 'on' });
  },
  '2.2.5': async () => {
    const { client } = await start();
    const context = { plan: 'pro', targetingKey: 'ada' };
    const reasonOf = async (key: string, given = {}) =>
      (await client.getBooleanDetails(key, false, given)).reason;
    expect(await reasonOf('b')).toBe('STATIC');
    expect(await reasonOf('rule')).toBe('DEFAULT');
    expect(await reasonOf('rule', context)).toBe('TARGETING_MATCH');
    expect(await reasonOf('split', context)).toBe('SPLIT');
    expect(await reasonOf('disabled')).toBe('DISABLED');
    expect(await reasonOf('unknown')).toBe('ERROR');
  },
  '2.2.6': async () => {
    const { provider } = await start();
    expect(await provider.resolveBooleanEvaluation('b', false, {})).not.toHaveProperty('errorCode');
  },
  '2.2.7': async () => {
    const { provider } = await start();
    expect(await provider.resolveBooleanEvaluation('unknown', true, {})).toMatchObject({
      value: true,
      errorCode: 'FLAG_NOT_FOUND',
    });
  },
  '2.2.8.1': async () => {
    const { provider } = await start();
    const { value } = await provider.resolveObjectEvaluation<{ a: number[] }>('o', { a: [] }, {});
    expect(value.a[0]).toBe(1);
  },
  '2.2.9': async () => {
    const { client } = await start();
    const { flagMetadata } = await client.getBooleanDetails('b', false);
    expect(flagMetadata).toMatchObject({ team: 'web', version: 1, flagSetId: 'production' });
  },
  '2.2.10': async () => {
    const { client } = await start();
    const { flagMetadata } = await client.getBooleanDetails('b', false);
    const types = new Set(Object.values(flagMetadata).map(value => typeof value));
    expect([...types].toSorted()).toEqual(['boolean', 'number', 'string']);
  },
  '2.3.1': async () => {
    const { provider, client } = await start();
    const withHook = Object.assign(provider, { hooks: [{ before: () => ({ plan: 'pro' }) }] });
    expect((withHook satisfies Provider).hooks).toHaveLength(1);
    expect(await client.getBooleanValue('rule', false)).toBe(true);
  },
  '2.3.2': async () => {
    const { provider } = await start();
    expect(await provider.resolveBooleanEvaluation('b', false, {})).not.toHaveProperty(
      'errorMessage',
    );
  },
  '2.3.3': async () => {
    const { client } = await start();
    const { errorMessage } = await client.getBooleanDetails('unknown', false);
    expect(errorMessage).toBe('there is no flag "unknown"');
  },
  '2.4.1': async () => {
    const { provider } = await start();
    expect(provider.initialize()).toBeInstanceOf(Promise);
  },
  '2.4.2.1': async () => {
    const server = startFakeServer();
    server.behave('broken');
    const { started } = openOn(server);
    await server.advance(2_000);
    expect(await started).toMatch(/^GENERAL: no flags available/);
  },
  '2.4.3': async () => {
    // It has no state for a single domain, so it can be bound to several.
    const { provider } = await start();
    expect('domainScoped' in provider).toBe(false);
    await OpenFeature.setProviderAndWait('one more domain', provider);
    expect(await OpenFeature.getClient('one more domain').getBooleanValue('b', false)).toBe(true);
  },
  '2.4.4': () => prove('2.4.3'),
  '2.5.1': async () => {
    const server = startFakeServer(flags);
    const { provider } = await startOn(server);
    await provider.onClose();
    await server.advance(0);
    expect([server.openStreams(), server.timers()]).toEqual([0, 0]);
  },
  '2.5.2': async () => {
    const { provider } = await start();
    await provider.onClose();
    expect(provider.evaluate('b')).toMatchObject({ errorCode: 'PROVIDER_NOT_READY' });
    await provider.initialize();
    expect(provider.evaluate('b')).toMatchObject({ value: true });
  },
  '2.5.3': async () => {
    const { provider } = await start();
    await Promise.all([provider.onClose(), provider.onClose()]);
    await expect(provider.onClose()).resolves.toBeUndefined();
  },
  '2.6.1': async () => {
    // Only for client SDKs: on a server every evaluation has its own context.
    const { provider } = await start();
    expect('onContextChange' in provider).toBe(false);
  },
  '2.8.1': async () => {
    const { server, events } = await startAndLoseServer();
    server.behave('normal');
    await server.advance(30_000);
    expect(events).toEqual(['READY', 'STALE', 'READY']);
  },
  // Current SDKs emit READY and ERROR of the start on the provider's behalf, and handlers run once.
  '2.8.2': async () => {
    const { events } = await start();
    expect(events).toEqual(['READY']);
  },
  '2.8.3': async () => {
    const server = startFakeServer();
    server.behave('broken');
    const { started, events } = openOn(server);
    await server.advance(2_000);
    await started;
    expect(events).toEqual(['ERROR']);
  },
  '2.8.4': () => prove('2.6.1'),
  '5.1.1': async () => {
    const { provider } = await start();
    const events: string[] = [];
    for (const event of [
      ProviderEvents.Ready,
      ProviderEvents.Stale,
      ProviderEvents.Error,
    ] as const) {
      provider.events.addHandler(event, () => events.push(event));
      provider.events.emit(event);
    }
    expect(events).toEqual(['PROVIDER_READY', 'PROVIDER_STALE', 'PROVIDER_ERROR']);
  },
  '5.1.2': async () => {
    const { events } = await startAndLoseServer();
    expect(events).toEqual(['READY', 'STALE']);
  },
  '5.1.3': async () => {
    const other = await start();
    await startAndLoseServer();
    expect(other.events).toEqual(['READY']);
  },
  '5.1.4': () => prove('5.1.5'),
  '5.1.5': async () => {
    const server = startFakeServer(flags);
    server.behave('broken');
    const { client, started } = openOn(server, {});
    const details: object[] = [];
    client.addHandler(ProviderEvents.Error, event => details.push({ ...event }));
    await server.advance(2_000);
    // The SDK emits the event when `initialize` rejects, with the message of that error.
    const message = 'no flags available: fetch failed: ECONNREFUSED';
    expect(await started).toBe(`GENERAL: ${message}`);
    expect(details).toMatchObject([{ message }]);
  },
};

const prove = (id: string): Promise<void> => proofs[id]?.() ?? expect.fail(`no proof of ${id}`);

describe('the specification', () => {
  it.each(requirements)('$id $keyword: $content', async ({ id }) => {
    await expect(prove(id)).resolves.toBeUndefined();
  });

  it('has exactly one proof for each requirement', () => {
    expect(Object.keys(proofs).toSorted()).toEqual(requirements.map(({ id }) => id).toSorted());
  });

  it('has a function that tracks (2.7.1), which the client calls with the merged context', async () => {
    const { provider, client } = await start();
    const track = vi.spyOn(provider, 'track');
    client.setContext({ targetingKey: 'ada' }).track('bought', { plan: 'pro' }, { value: 1 });
    expect(track).toHaveBeenCalledWith(
      'bought',
      { targetingKey: 'ada', plan: 'pro' },
      { value: 1 },
    );
  });
});
