import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { guardrail } from '@pennon/statistics';

import { CONTROL_LEDGER, type Store } from '../src/store/store.ts';
import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { conversion, givenMoments } from './support/given-moments.ts';
import { startServer, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

const START = Date.parse('2026-12-01T09:00:00Z');
const TICK_MS = 15_000;
const HOUR_MS = 3_600_000;

const ramp = {
  key: 'checkout',
  flag: 'new-checkout',
  rule: 'release',
  control: 'off',
  treatment: 'on',
  steps: [1, 5, 50].map(share => ({ share, holdMinutes: 60 })),
  guardrails: [{ metric: 'failed', onHarm: 'rollback' }],
};

const metric = (key: string, window = { toMs: 60_000 }) => ({
  key,
  kind: 'conversion',
  event: key,
  window,
  direction: 'decrease',
});

let clock: FakeClock;
let store: Store;
let server: TestServer;
let { given, source } = givenMoments();

const api = async (method: 'GET' | 'POST' | 'PATCH', path: string, body?: object) => {
  const response = await server.api(method, path, body === undefined ? {} : { body });
  if (response.status >= 300) throw new Error(response.text);
  return response.body;
};
const read = () => api('GET', '/ramps/checkout');
const status = () => api('GET', '/ramps/checkout/status');
// Each test asserts the shape that it expects.
// oxlint-disable-next-line typescript/no-explicit-any
type AuditEntry = { kind: string; action: string; after: any };

/** The entries of the audit log about ramps, newest first. */
const audited = async (): Promise<AuditEntry[]> => {
  const { items } = await api('GET', '/audit?limit=20');
  return items.filter(({ kind }: AuditEntry) => kind === 'ramp');
};
const percentage = async () => (await api('GET', '/flags/new-checkout')).rules[0]?.percentage;

const start = async (change: object = {}) => {
  await api('POST', '/ramps', { ...ramp, ...change });
  return api('POST', '/ramps/checkout/start');
};

/** Units of each variant of which so many failed, seen now. */
const seen = (control: number, treatment: number, n = 1_000) => {
  given.of = at => ({
    units: { off: n, on: n },
    lastExposureAt: at,
    metrics: { failed: { off: conversion(n, control), on: conversion(n, treatment) } },
  });
};

/**
 * Advances the clock, and waits for what the tick causes. A status needs the thread of a tick, so it comes after it. Each
 * timer fires once, because a store in another process cannot respond within no time.
 */
const pass = async (ms: number): Promise<void> => {
  clock.jump(ms);
  await status();
  await new Promise(resolve => setImmediate(resolve));
};

/** Ticks until something is so. A tick is left out while the one before is still at work. */
const expectAfterTicks = (look: () => Promise<unknown> = read) =>
  expect.poll(async () => {
    await pass(TICK_MS);
    return look();
  });

/** Changes the percentage of the rule in the store, past the checks of the server. */
const changeRule = async (): Promise<void> => {
  const control = await store.read(CONTROL_LEDGER);
  const id = control?.records.environments.get('production')?.document.ledger ?? '';
  const ledger = { kind: 'flagSet', id } as const;
  const snapshot = await store.read(ledger);
  const flag = snapshot?.records.flags.get('new-checkout')?.document;
  if (snapshot === undefined || flag === undefined) throw new Error('no flag');
  const rules = flag.rules.map(rule => ({ ...rule, percentage: 77 }));
  await store.commit(ledger, {
    expect: snapshot.id,
    writes: { flags: new Map([[flag.key, { ...flag, rules }]]) },
    audit: [],
  });
};

/** Starts a server for each test, with a flag and two metrics. */
const useRamps = (open: () => Promise<Store>): void => {
  beforeEach(async () => {
    clock = createFakeClock(START);
    ({ given, source } = givenMoments());
    store = await open();
    server = await startServer({ clock, momentsSource: source, store });
    for (const key of ['failed', 'slow']) await api('POST', '/metrics', metric(key));
    await api('POST', '/flags', { key: 'new-checkout', enabled: true, defaultVariant: 'off' });
  });
  afterEach(() => server.close());
};

/** What a server writes about a ramp, and that all read the same of it. */
export const describeRampWrites = (name: string, open: () => Promise<Store>): void => {
  describe(`a ramp in ${name}`, () => {
    useRamps(open);

    it('advances one step at a time, when the time of the step is over and enough units are mature', async () => {
      seen(10, 10, 99);
      await start();
      await pass(HOUR_MS + TICK_MS);
      expect(await status()).toMatchObject({ step: 1, waiting: [{ code: 'units' }] });
      seen(10, 10, 100);
      await expectAfterTicks().toMatchObject({ step: 2, state: 'running' });
      expect(await percentage()).toBe(10);
      expect((await status()).waiting).toMatchObject([{ code: 'hold' }]);
      // After a day in which no server was there, the next step is still only one.
      clock.jump(24 * HOUR_MS);
      await expectAfterTicks().toMatchObject({ step: 3 });
      const endsAt = Date.parse((await read()).stepStartedAt) + HOUR_MS;
      await pass(endsAt - TICK_MS - clock.now());
      expect((await read()).step).toBe(3);
      await expectAfterTicks().toMatchObject({ state: 'completed', step: 4 });
      const items = await audited();
      expect(items[0]).toMatchObject({
        action: 'ramp.complete',
        actor: { kind: 'system', id: 'pennon:ramp' },
      });
    });

    it('is rolled back if it does harm, and its audit entry has everything to compute the evidence again', async () => {
      seen(5, 5);
      await start();
      await pass(4 * TICK_MS);
      expect(await read()).toMatchObject({ state: 'running' });
      seen(5, 60);
      await expectAfterTicks().toMatchObject({ state: 'rolledBack', reason: { code: 'harm' } });
      expect((await api('GET', '/flags/new-checkout')).rules).toEqual([]);
      const [entry] = await audited();
      if (entry === undefined) throw new Error('no entry');
      expect(entry).toMatchObject({
        action: 'ramp.rollback',
        actor: { kind: 'system', id: 'pennon:ramp' },
        revision: entry.after.reason.revision + 1,
      });
      const { evidence } = entry.after.reason;
      const { mature, soFar, share, direction, tolerance, alpha } = evidence;
      const again = guardrail({
        kind: 'conversion',
        ...mature,
        soFar,
        share,
        direction,
        tolerance,
        alpha,
      });
      expect(again.harming).toBe(true);
      expect(again.needed).toBe(evidence.needed);
      expect(Math.exp(again.exact?.logEvidence ?? 0)).toBeCloseTo(evidence.evidence, 6);
      expect(mature.treatment).toMatchObject({ n: 1_000, sum: 60 });
    });

    it('with onHarm warn is noted once, and does not advance', async () => {
      seen(5, 60);
      await start({ guardrails: [{ metric: 'failed', onHarm: 'warn' }] });
      await expectAfterTicks().toMatchObject({ noted: [{ code: 'harm' }] });
      for (let hour = 0; hour < 3; hour += 1) await pass(HOUR_MS);
      const { noted, state, step } = await read();
      expect([noted.length, state, step]).toEqual([1, 'running', 1]);
    });

    it('does not write a rule back that a server without ramps has changed, but switches it off', async () => {
      seen(5, 5);
      await start();
      await changeRule();
      await expect.poll(percentage).toBe(77);
      await expectAfterTicks().toMatchObject({ state: 'paused', reason: { code: 'ruleChanged' } });
      seen(5, 60);
      await expectAfterTicks().toMatchObject({
        state: 'rolledBack',
        reason: {
          code: 'harm',
          text: expect.stringContaining('not written back'),
          notReplaced: true,
        },
      });
      expect(await percentage()).toBe(0);
    });

    it('a subscription sends how a ramp is doing at once, and whenever that differs', async () => {
      seen(5, 5);
      await start();
      const url = await server.listen();
      const input = encodeURIComponent(
        JSON.stringify({ environment: 'production', key: 'checkout' }),
      );
      const stream = await openSse(`${url}/trpc/ramps.watch?input=${input}`, {
        key: await server.keyOf('viewer'),
      });
      expect((await stream.next())?.event).toBe('connected');
      const next = async () => (await stream.next())?.data;
      expect(await next()).toMatchObject({
        state: 'running',
        share: 1,
        compared: { guardrails: [{ metric: 'failed', status: 'watching', treatmentUnits: 5 }] },
      });
      await api('POST', '/ramps/checkout/advance');
      expect(await next()).toMatchObject({ step: 2, share: 5 });
      seen(5, 60);
      clock.jump(TICK_MS);
      expect(await next()).toMatchObject({
        waiting: expect.arrayContaining([{ code: 'harm', text: expect.any(String) }]),
        compared: { guardrails: [{ status: 'harming', treatmentUnits: 60 }] },
      });
      expect(await next()).toMatchObject({ state: 'rolledBack', compared: null });
      stream.close();
    });
  });
};

/** When a ramp advances, holds, and is stopped. */
export const describeRampDecisions = (open: () => Promise<Store>): void => {
  describe('the decision about a ramp', () => {
    useRamps(open);

    describe('a ramp advances', () => {
      it('after an approval if the step needs one', async () => {
        seen(10, 10);
        await start({ steps: [{ share: 1, holdMinutes: 1, approval: true }] });
        await pass(10 * 60_000);
        expect(await status()).toMatchObject({ step: 1, waiting: [{ code: 'approval' }] });
        await api('POST', '/ramps/checkout/approve');
        await expectAfterTicks().toMatchObject({ state: 'completed' });
      });

      it('as a plain schedule without guardrails, with no data', async () => {
        const steps = [20, 70].map(share => ({ share, holdMinutes: 60 }));
        await start({ guardrails: [], control: null, steps });
        expect(await status()).toMatchObject({ share: 20, compared: null });
        await pass(HOUR_MS);
        await expectAfterTicks(percentage).toBe(70);
      });
    });

    describe('a ramp holds', () => {
      it.each([
        ['while events are not counted yet', { lagMs: 61_000 }, 'lag'],
        ['while there are no exposures', { lastExposureAt: START }, 'noExposures'],
      ])('%s, and is not rolled back', async (_, moments, code) => {
        seen(0, 200);
        const all = given.of;
        given.of = at => ({ ...all?.(at), ...moments });
        await start();
        await pass(2 * HOUR_MS);
        expect(await read()).toMatchObject({ state: 'running', step: 1 });
        expect((await status()).waiting.map((each: { code: string }) => each.code)).toContain(code);
      });

      it('and is paused while its flag is disabled', async () => {
        seen(10, 10);
        await start();
        await api('PATCH', '/flags/new-checkout', { enabled: false });
        await expectAfterTicks().toMatchObject({
          state: 'paused',
          reason: { code: 'flagDisabled' },
        });
        const resumed = await server.api('POST', '/ramps/checkout/resume');
        expect([resumed.status, resumed.body.error.details[0].path]).toEqual([409, 'flag']);
        await api('PATCH', '/flags/new-checkout', { enabled: true });
        expect((await api('POST', '/ramps/checkout/resume')).state).toBe('running');
      });
    });

    describe('a harmful ramp', () => {
      it.each([
        ['pause', 'paused'],
        ['rollback', 'rolledBack'],
      ])('with onHarm %s is %s', async (onHarm, state) => {
        seen(5, 60);
        await start({ guardrails: [{ metric: 'failed', onHarm }] });
        await expectAfterTicks().toMatchObject({ state, reason: { code: 'harm' } });
      });

      it('that a person has paused is still rolled back', async () => {
        seen(5, 5);
        await start();
        await api('POST', '/ramps/checkout/pause');
        seen(5, 60);
        await expectAfterTicks().toMatchObject({ state: 'rolledBack' });
      });
    });

    describe('data that cannot be trusted', () => {
      it.each([
        ['unequal numbers of units', { units: { off: 1_000, on: 1_300 } }, {}],
        ['exposures to wrong variants', {}, { exposures: 980, mismatched: { 'sdk 1.0.0': 20 } }],
        ['units that saw both variants', { quarantined: { off: 15, on: 15 } }, {}],
      ])('(%s) pause a ramp in spite of harm', async (_, moments, health) => {
        seen(5, 60);
        const all = given.of;
        given.of = at => ({ ...all?.(at), ...moments });
        given.health = health;
        await start();
        await expectAfterTicks().toMatchObject({
          state: 'paused',
          reason: { code: 'mismatch', evidence: { kind: 'mismatch' } },
        });
      });

      it('roll it back if it is set so', async () => {
        seen(5, 5);
        const all = given.of;
        given.of = at => ({ ...all?.(at), units: { off: 1_000, on: 1_300 } });
        await start({ onMismatch: 'rollback' });
        await expectAfterTicks().toMatchObject({
          state: 'rolledBack',
          reason: { code: 'mismatch' },
        });
      });
    });
  });
};
