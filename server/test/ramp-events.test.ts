import { expect, it } from 'vitest';

import { compile, evaluate } from '@pennon/engine';
import { guardrail } from '@pennon/statistics';

import { createFakeClock, type FakeClock } from './support/fake-clock.ts';
import { startServer, type TestServer } from './support/server.ts';
import { openSse, type Sse } from './support/sse.ts';

const START = Date.parse('2026-12-01T09:00:00Z');
const UNITS = 200;
/** Whether a variant is served is a draw, so this many subjects have enough of each at 1 %. */
const SUBJECTS = 40_000;

const begin = async (): Promise<{ server: TestServer; clock: FakeClock }> => {
  const clock = createFakeClock(START);
  const server = await startServer({ clock });
  const window = { toMs: 60_000 };
  const metric = { key: 'failed', kind: 'conversion', event: 'failed', window };
  await post(server, '/metrics', { ...metric, direction: 'decrease' });
  const flag = { key: 'new-checkout', enabled: true, clientVisible: true, defaultVariant: 'off' };
  await post(server, '/flags', flag);
  await post(server, '/ramps', {
    key: 'checkout',
    flag: 'new-checkout',
    rule: 'release',
    control: 'off',
    treatment: 'on',
    steps: [{ share: 1, holdMinutes: 60 }],
    guardrails: [{ metric: 'failed' }],
  });
  await post(server, '/ramps/checkout/start');
  return { server, clock };
};

const post = async (server: TestServer, path: string, body?: object, key?: string) => {
  const response = await server.api('POST', path, {
    ...(body !== undefined && { body }),
    ...(key !== undefined && { key }),
  });
  if (response.status >= 300) throw new Error(response.text);
  return response.body;
};

/** Returns subjects that the rule of the ramp serves a variant. */
const subjectsOf = async (server: TestServer, variant: string): Promise<string[]> => {
  const compiled = compile((await server.api('GET', '/flag-set')).body);
  const found: string[] = [];
  for (let i = 0; i < SUBJECTS && found.length < UNITS; i += 1) {
    const result = evaluate(compiled, 'new-checkout', { targetingKey: `s${i}` });
    if ('ruleId' in result && result.ruleId === 'release' && result.variant === variant)
      found.push(`s${i}`);
  }
  return found;
};

/** Sends the exposures of subjects, and that some of them failed. */
const sendEvents = async (
  { server, clock }: { server: TestServer; clock: FakeClock },
  key: string,
  { variant, subjects, failed }: { variant: string; subjects: string[]; failed: number },
): Promise<void> => {
  const timeMs = clock.now();
  const exposures = subjects.map(unit => ({
    type: 'exposure',
    experiment: 'checkout',
    variant,
    unit,
    timeMs,
  }));
  const failures = subjects.slice(0, failed).map(targetingKey => ({
    type: 'track',
    name: 'failed',
    units: { targetingKey },
    timeMs: timeMs + 1,
  }));
  const instance = `instance-of-${variant}`.padEnd(22, '_');
  const body = { instance, sequence: 1, sentAtMs: timeMs, events: [...exposures, ...failures] };
  const { accepted } = await post(server, '/events', body, key);
  expect(accepted).toBe(subjects.length + failed);
};

const TURNS = 30;

/** Advances the clock, and waits for what that causes. A status needs the thread of the server's looks. */
const pass = async (server: TestServer, clock: FakeClock, ms: number): Promise<void> => {
  clock.advance(ms);
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise(resolve => setImmediate(resolve));
  await server.api('GET', '/ramps/checkout/status');
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

/** Returns the values of the next event that has some. */
const nextValues = async (stream: Sse): Promise<unknown> => {
  for (;;) {
    const event = await stream.next();
    if (event === undefined) throw new Error('the stream has ended');
    if (event.data?.evaluations !== undefined) return event.data.evaluations;
  }
};

const stateOf = async (server: TestServer) =>
  (await server.api('GET', '/ramps/checkout')).body.state;

it('a harmful release at 1 % is rolled back within 40 seconds of its events, up to the value of a subject', async () => {
  const { server, clock } = await begin();
  await using _ = server;
  const key = await server.keyOf('server');
  const [control, treatment] = [await subjectsOf(server, 'off'), await subjectsOf(server, 'on')];
  const url = await server.listen();
  const stream = await openSse(`${url}/api/v1/evaluations/stream`, {
    key: await server.keyOf('client'),
    body: { context: { targetingKey: treatment[0] } },
  });
  expect(await nextValues(stream)).toMatchObject({ 'new-checkout': { value: true } });
  await sendEvents({ server, clock }, key, { variant: 'off', subjects: control, failed: 2 });
  await sendEvents({ server, clock }, key, { variant: 'on', subjects: treatment, failed: 60 });
  const sentAt = clock.now();
  while ((await stateOf(server)) === 'running' && clock.now() - sentAt < 60_000)
    await pass(server, clock, 5_000);
  expect(await stateOf(server)).toBe('rolledBack');
  expect(clock.now() - sentAt).toBeLessThanOrEqual(40_000);
  expect(await nextValues(stream)).toMatchObject({ 'new-checkout': { value: false } });
  stream.close();

  const { items } = (await server.api('GET', '/audit?limit=5')).body;
  const entry = items.find(({ action }: { action: string }) => action === 'ramp.rollback');
  const { evidence } = entry.after.reason;
  expect(evidence).toMatchObject({ metric: 'failed', soFar: { control: 2, treatment: 60 } });
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
  expect(Math.exp(again.exact?.logEvidence ?? 0)).toBeCloseTo(evidence.evidence, 4);
});

it('a release without harm is not rolled back', async () => {
  const { server, clock } = await begin();
  await using _ = server;
  const key = await server.keyOf('server');
  for (const variant of ['off', 'on']) {
    const subjects = await subjectsOf(server, variant);
    await sendEvents({ server, clock }, key, { variant, subjects, failed: 6 });
  }
  for (let minute = 0; minute < 5; minute += 1) await pass(server, clock, 60_000);
  const { body } = await server.api('GET', '/ramps/checkout/status');
  expect(body).toMatchObject({
    state: 'running',
    compared: {
      units: { control: UNITS, treatment: UNITS },
      matureUnits: { control: UNITS, treatment: UNITS },
      mismatch: false,
      guardrails: [{ status: 'watching', controlUnits: 6, treatmentUnits: 6 }],
    },
  });
});
